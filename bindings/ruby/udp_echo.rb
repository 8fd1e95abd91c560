# A handler, whose native threads receive and send, answers what another one sends.

require "socket"
require_relative "pyhelpers"

BATCH = 100

def bound_socket
  UDPSocket.new.tap { |socket| socket.bind("127.0.0.1", 0) }
end

# Waits on a thread of Ruby's, beside which others run, until the handler is closed.
def answer(server)
  memory, = Pyhelpers.array(Pyhelpers::PhDatagram, BATCH)
  buffer = "\0" * 65_536
  loop do
    # What was received is what to send: the address is the sender's.
    n = Pyhelpers.udph_get_recved(server, memory, BATCH, buffer, buffer.bytesize, -1)
    Pyhelpers.udph_dispatch(server, memory, n, 0)
  end
rescue Errno::ESHUTDOWN, Errno::EBADF
  # Closed during the call, or just before it.
end

def ask(client, port)
  memory, items = Pyhelpers.array(Pyhelpers::PhDatagram, BATCH)
  payloads = Array.new(BATCH) { |n| "datagram #{n}" }
  items.zip(payloads) do |item, payload|
    Pyhelpers.ph_addr_parse("127.0.0.1", 9, port, item.addr)
    item.data, item.len = Fiddle::Pointer[payload], payload.bytesize
  end
  Pyhelpers.udph_dispatch(client, memory, BATCH, 0)

  buffer = "\0" * 65_536
  answers = []
  while answers.size < BATCH
    n = Pyhelpers.udph_get_recved(client, memory, BATCH, buffer, buffer.bytesize, 5000)
    answers += items.first(n).map { |item| item.data[0, item.len] }
  end
  answers
end

config = Pyhelpers.make(Pyhelpers::UdphConfig, recv_reactors: 1)
server_socket, client_socket = bound_socket, bound_socket
Pyhelpers.open(:udph, server_socket.fileno, config) do |server|
  Pyhelpers.open(:udph, client_socket.fileno, config) do |client|
    Thread.new { answer(server) }
    answers = ask(client, server_socket.addr[1])
    puts "#{answers.size} answers, the last one: #{answers.last}"
  end
end
