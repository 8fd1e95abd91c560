// A loop with a TCP echo server, a client that says something at each tick, and the timer. Its wait
// is on a thread of koffi's, so that Node's own loop goes on beside it.

'use strict';

const koffi = require('koffi');
const ph = require('./pyhelpers');

const EVENTS = 64;
const ROOM = 65536;
const MESSAGES = 3;

async function* eventsOf(loop) {
  const events = koffi.alloc('evloop_event_t', EVENTS);
  const buffer = koffi.alloc('uint8_t', ROOM);
  try {
    for (;;) {
      const n = await ph.evloop_poll.async(loop, events, EVENTS, buffer, ROOM, 5000);
      yield* koffi.decode(events, 'evloop_event_t', n);
    }
  } finally {
    [events, buffer].forEach(koffi.free);
  }
}

function clientOf(loop, server) {
  const address = {};
  ph.tcp_local(loop, server, address);
  return ph.tcp_connect(loop, '127.0.0.1', String(address.port), null, null);
}

async function main() {
  const loop = ph.make('evloop', null);
  const server = ph.tcp_listen(loop, '127.0.0.1', '0', null, null);
  const client = clientOf(loop, server);
  ph.evloop_timer_add(loop, [{ period_ns: 10_000_000 }], 1);

  let ticks = 0;
  let answer = '';
  for await (const event of eventsOf(loop)) {
    if (event.kind === ph.EVLOOP_TIMER && ticks < MESSAGES) {
      const message = Buffer.from(`tick ${++ticks}\n`);
      ph.tcp_send(loop, client, message, message.length);
    } else if (event.kind === ph.TCP_DATA && event.id === client) {
      answer += koffi.decode.string(event.data, event.len);
    } else if (event.kind === ph.TCP_DATA) {
      ph.tcp_send(loop, event.id, event.data, event.len);
    } else if (event.kind === ph.TCP_CLOSED) {
      ph.check(-event.error);
    }
    if (answer.split('\n').length > MESSAGES) break;
  }
  process.stdout.write(answer);
  ph.evloop_close(loop);
}

main();
