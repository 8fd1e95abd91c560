# A loop with a TCP echo server, a client that says something at each tick, and the timer.

require_relative "pyhelpers"

EVENTS = 64
MESSAGES = 3

def client_of(evloop, server)
  address = Pyhelpers.make(Pyhelpers::PhAddr)
  Pyhelpers.tcp_local(evloop, server, address)
  Pyhelpers.tcp_connect(evloop, "127.0.0.1", address.port.to_s, nil, nil)
end

def each_event(evloop)
  memory, events = Pyhelpers.array(Pyhelpers::EvloopEvent, EVENTS)
  buffer = "\0" * 65_536
  loop do
    n = Pyhelpers.evloop_poll(evloop, memory, EVENTS, buffer, buffer.bytesize, 5000)
    events.first(n).each { |event| yield event }
  end
end

def say(evloop, id, text)
  Pyhelpers.tcp_send(evloop, id, text, text.bytesize)
end

Pyhelpers.open(:evloop, nil) do |evloop|
  server = Pyhelpers.tcp_listen(evloop, "127.0.0.1", "0", nil, nil)
  client = client_of(evloop, server)
  timer = Pyhelpers.make(Pyhelpers::EvloopTimer, period_ns: 10_000_000)
  Pyhelpers.evloop_timer_add(evloop, timer, 1)

  ticks = 0
  answer = +""
  each_event(evloop) do |event|
    case event.kind
    when Pyhelpers::EVLOOP_TIMER
      say(evloop, client, "tick #{ticks += 1}\n") if ticks < MESSAGES
    when Pyhelpers::TCP_DATA
      data = event.data[0, event.len]
      event.id == client ? answer << data : say(evloop, event.id, data)
    when Pyhelpers::TCP_CLOSED
      Pyhelpers.check(-event.error)
    end
    break if answer.lines.size == MESSAGES
  end
  puts answer
end
