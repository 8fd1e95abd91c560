# A handler's threads put what arrives into a receive queue, which keeps the last 5 of each sender.

require "socket"
require_relative "pyhelpers"

GROUP = "telemetry"
MESSAGES = 30

def say(socket, port)
  MESSAGES.times { |n| socket.send("node-#{n % 2}: #{n}", 0, "127.0.0.1", port) }
end

# Sleeps, beside Ruby's other threads, until the group has something new, and until all has come.
def wait(queue)
  ready = IO.for_fd(Pyhelpers.rq_fd(queue, GROUP, GROUP.bytesize), autoclose: false)
  stats = Pyhelpers.make(Pyhelpers::RqStats)
  while stats.received < MESSAGES
    raise "nothing came" unless ready.wait_readable(5)

    Pyhelpers.rq_wait(queue, GROUP, GROUP.bytesize, 0)
    Pyhelpers.rq_stats(queue, stats)
  end
end

def extract(queue, idx)
  memory, values = Pyhelpers.array(Pyhelpers::RqValue, 5)
  bytes = Fiddle::Pointer.malloc(1024, Fiddle::RUBY_FREE)
  n = Pyhelpers.rq_extract(queue, GROUP, GROUP.bytesize, idx, idx.bytesize,
                           memory, 5, bytes, bytes.size, nil)
  values.first(n).map { |value| bytes[value.offset, value.len] }
end

socket = UDPSocket.new.tap { |udp| udp.bind("127.0.0.1", 0) }
groups = Pyhelpers.make(Pyhelpers::PhBytes, data: Fiddle::Pointer[GROUP], len: GROUP.bytesize)
config = Pyhelpers.make(Pyhelpers::UdphConfig, recv_reactors: 1)
# A sender is known by the first 6 bytes of its messages.
by_name = Pyhelpers.make(Pyhelpers::RqFeedConfig, key: Pyhelpers::RQ_BY_RANGE, length: 6)

Pyhelpers.open(:rq, groups, 1, 5, Pyhelpers::RQ_RW, nil) do |queue|
  Pyhelpers.open(:udph, socket.fileno, config) do |handler|
    Pyhelpers.rq_feed_udph(queue, GROUP, GROUP.bytesize, by_name, handler)
    say(UDPSocket.new, socket.addr[1])
    wait(queue)
    puts extract(queue, "node-1")
  end
end
