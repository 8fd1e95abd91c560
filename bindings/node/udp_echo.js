// A handler, whose native threads receive and send, answers a socket of Node's own.

'use strict';

const dgram = require('node:dgram');
const koffi = require('koffi');
const ph = require('./pyhelpers');

const BATCH = 100;
const ROOM = 65536;

// A handler takes any UDP socket, and keeps a duplicate of it; Node's own do not tell their number.
function openHandler() {
  const address = {};
  ph.ph_addr_parse('127.0.0.1', 9, 0, address);
  const peer = ph.make('peer', ph.sized('peer_config_t', { addr: address }));
  ph.peer_open(peer);
  ph.peer_addr(peer, address);
  const config = ph.sized('udph_config_t', { recv_reactors: 1 });
  const handler = ph.make('udph', ph.peer_socket(peer), config);
  ph.peer_close(peer);
  return [handler, address.port];
}

// Waits on a thread of koffi's, beside which Node's loop goes on, until the handler is closed.
async function answer(handler) {
  const items = koffi.alloc('ph_datagram_t', BATCH);
  const buffer = koffi.alloc('uint8_t', ROOM);
  try {
    for (;;) {
      // What was received is what to send: the address is the sender's.
      const n = await ph.udph_get_recved.async(handler, items, BATCH, buffer, ROOM, -1);
      ph.udph_dispatch(handler, items, n, 0);
    }
  } catch (error) {
    // Closed during the call, or just before it.
    if (!['ESHUTDOWN', 'EBADF'].includes(error.code)) throw error;
  } finally {
    [items, buffer].forEach(koffi.free);
  }
}

const [server, port] = openHandler();
answer(server);

const client = dgram.createSocket('udp4');
const answers = [];
client.on('message', (data) => {
  if (answers.push(data.toString()) < BATCH) return;
  console.log(`${BATCH} answers, the last one: ${answers.at(-1)}`);
  client.close();
  ph.udph_close(server, 1000, null);
});
for (let n = 0; n < BATCH; n++) client.send(`datagram ${n}`, port, '127.0.0.1');
