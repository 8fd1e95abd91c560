// A handler's threads put what arrives into a receive queue, which keeps the last 5 of each sender.

'use strict';

const koffi = require('koffi');
const ph = require('./pyhelpers');

const GROUP = Buffer.from('telemetry');
const MESSAGES = 30;

function openHandler() {
  const address = {};
  ph.ph_addr_parse('127.0.0.1', 9, 0, address);
  const peer = ph.make('peer', ph.sized('peer_config_t', { addr: address }));
  ph.peer_open(peer);
  ph.peer_addr(peer, address);
  const config = ph.sized('udph_config_t', { recv_reactors: 1 });
  const handler = ph.make('udph', ph.peer_socket(peer), config);
  ph.peer_close(peer);
  return [handler, address];
}

function extract(queue, idx) {
  const values = Buffer.alloc(5 * koffi.sizeof('rq_value_t'));
  const bytes = Buffer.alloc(1024);
  const n = ph.rq_extract(queue, GROUP, GROUP.length, idx, idx.length,
    values, 5, bytes, bytes.length, null);
  return koffi.decode(values, 'rq_value_t', n)
    .map(({ offset, len }) => bytes.toString('utf8', offset, offset + len));
}

async function main() {
  const [handler, address] = openHandler();
  const queue = ph.make('rq', [{ data: GROUP, len: GROUP.length }], 1, 5, ph.RQ_RW, null);
  // A sender is known by the first 6 bytes of its messages.
  const byName = ph.sized('rq_feed_config_t', { key: ph.RQ_BY_RANGE, offset: 0, length: 6 });
  ph.rq_feed_udph(queue, GROUP, GROUP.length, byName, handler);

  for (let n = 0; n < MESSAGES; n++) {
    const message = Buffer.from(`node-${n % 2}: ${n}`);
    ph.udph_dispatch_to(handler, address, 0, message, message.length);
  }

  const stats = ph.sized('rq_stats_t', { received: 0 });
  while (stats.received < MESSAGES) {
    await ph.rq_wait.async(queue, GROUP, GROUP.length, 5000);
    ph.rq_stats(queue, stats);
  }
  console.log(extract(queue, Buffer.from('node-1')).join('\n'));

  ph.udph_close(handler, 1000, null);
  ph.rq_close(queue);
}

main();
