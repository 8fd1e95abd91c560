// Wrong use is an error with a number, never a crash; what is left open does not delay the end.

'use strict';

const ph = require('./pyhelpers');

function fails(what, call, ...args) {
  try {
    call(...args);
    console.log(`${what}: nothing`);
  } catch (error) {
    console.log(`${what}: ${error.errno}`);
  }
}

const peer = ph.make('peer', null);
ph.peer_close(peer);
const other = ph.make('peer', null);
fails('NULL for a handle', ph.peer_open, null);
fails('a closed handle', ph.peer_addr, peer, {});
fails('closed twice', ph.peer_close, peer);
fails('a handle of another kind', ph.udph_fd, other);
fails('NULL for an output', ph.peer_addr, other, null);

ph.peer_open(other);
const config = ph.sized('udph_config_t', { recv_reactors: 1 });
let handler = ph.make('udph', ph.peer_socket(other), config);
const fd = ph.udph_fd(handler);
handler = null;
global.gc();
console.log(`left open: ${fd > 0 ? 'a handler' : ''}`);
