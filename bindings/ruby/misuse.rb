# Wrong use is an error with a number, never a crash; what is left open does not delay the end.

require_relative "pyhelpers"

def fails(what)
  yield
  puts "#{what}: nothing"
rescue SystemCallError => e
  puts "#{what}: #{-e.errno}"
end

def make(prefix, *arguments)
  out = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
  Pyhelpers.public_send("#{prefix}_new", *arguments, out)
  out.ptr
end

address = Pyhelpers.make(Pyhelpers::PhAddr)
peer = make(:peer, nil)
Pyhelpers.peer_close(peer)
other = make(:peer, nil)
fails("NULL for a handle") { Pyhelpers.peer_open(nil) }
fails("a closed handle") { Pyhelpers.peer_addr(peer, address) }
fails("closed twice") { Pyhelpers.open(:peer, nil) { |opened| Pyhelpers.peer_close(opened) } }
fails("a handle of another kind") { Pyhelpers.udph_fd(other) }
fails("NULL for an output") { Pyhelpers.peer_addr(other, nil) }

Pyhelpers.peer_open(other)
config = Pyhelpers.make(Pyhelpers::UdphConfig, recv_reactors: 1)
handler = make(:udph, Pyhelpers.peer_socket(other), config)
fd = Pyhelpers.udph_fd(handler)
handler = config = nil
GC.start
puts "left open: #{'a handler' if fd.positive?}"
