// libpyhelpers for Node, by koffi, with the prototypes of its own header.
//
//     const ph = require('./pyhelpers');
//     ph.udph_fd(handler)             a function of pyhelpers.h; what it returns below 0 is thrown
//     await ph.rq_wait.async(queue…)  the same on a thread of koffi's, for what waits
//     ph.check(code)                  the code; thrown when it is below 0
//     ph.UDPH_WAIT                    a constant
//     ph.make('udph', fd, config)     a new handle: udph_new without its `out`
//     ph.sized('udph_config_t', {…})  a structure with its `size` set
//
// The library is $PYHELPERS_LIBRARY or the installed libpyhelpers.so.0; the header is
// $PYHELPERS_HEADER, or ../../include/pyhelpers.h from here, or the installed one.
//
// Node cannot wait for a descriptor that is not its own, so what waits does so on another thread,
// and Node's loop goes on. All else is a plain call, which does not wait with a timeout of 0.
//
// A handle is a BigInt, closed by its <prefix>_close alone. Afterwards it is stale, and every call
// with it throws EBADF; closing also ends the calls that wait, with ESHUTDOWN.

'use strict';

const { existsSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { getSystemErrorName, promisify } = require('node:util');
const koffi = require('koffi');

const library = load(process.env.PYHELPERS_LIBRARY ?? 'libpyhelpers.so.0');
const ph = { check, make, sized };

function load(name) {
  try {
    return koffi.load(name);
  } catch (error) {
    throw new Error(`${name}: ${error.message}`);
  }
}

function header() {
  const here = path.join(__dirname, '../../include/pyhelpers.h');
  const installed = ['/usr/local/include/pyhelpers.h', '/usr/include/pyhelpers.h'];
  const named = process.env.PYHELPERS_HEADER;
  const places = named ? [named] : [here, ...installed];
  const found = places.find(existsSync);
  if (!found) throw new Error(`pyhelpers.h is not at ${places.join(', nor at ')}`);
  return readFileSync(found, 'utf8').replace(/\/\*.*?\*\//gs, '');
}

function declare(text) {
  for (const [, name, value] of text.matchAll(/^#define ([A-Z]\w+) (-?\d+)/gm)) {
    ph[name] = Number(value);
  }
  for (const [, name] of text.matchAll(/^typedef struct \w+ (\w+);/gm)) koffi.opaque(name);
  for (const [, fields, name] of text.matchAll(/^typedef struct \{(.*?)\} (\w+);/gms)) {
    koffi.struct(name, Object.fromEntries([...fields.matchAll(/(\S[^;]*?)(\w+)(\[\d+\])?;/g)]
      .map(([, type, field, length]) => [field, type.trim() + (length ?? '')])));
  }
  for (const [, name] of text.matchAll(/^typedef void \(\*(\w+)\)/gm)) koffi.alias(name, 'void *');
  for (const [prototype, name] of text.matchAll(/^(?:const )?\w+ \*?(\w+)\([^)]*\);/gm)) {
    ph[name] = checked(name, library.func(outward(prototype)));
  }
}

// What a function writes, koffi has to be told of: handles, and structures that are not constant.
function outward(prototype) {
  return prototype.replace(/(?<=[(,]\s*)(?=\w+_t \*\*?\w+)(?!u?int\d+_t)/g, '_Inout_ ');
}

function checked(name, native) {
  const judge = (result) => (typeof result === 'string' ? result : check(result, name));
  const call = (...args) => judge(native(...args));
  const waiting = promisify(native.async);
  call.async = async (...args) => judge(await waiting(...args));
  return call;
}

// Gives a number of 0 and above back; others it throws as Node's own errors: code, errno, syscall.
function check(code, syscall) {
  if (code >= 0) return code;
  const text = ph.ph_strerror(code);
  const own = Object.keys(ph).find((name) => /^PH_E/.test(name) && ph[name] === code);
  const error = new Error(syscall ? `${syscall}: ${text}` : text);
  throw Object.assign(error, { code: own ?? getSystemErrorName(code), errno: code, syscall });
}

function make(prefix, ...args) {
  const out = [null];
  ph[`${prefix}_new`](...args, out);
  return out[0];
}

function sized(name, fields) {
  return { ...fields, size: koffi.sizeof(name) };
}

declare(header());
if (ph.ph_abi_version() !== ph.PH_ABI_VERSION) {
  throw new Error('pyhelpers.h is of another ABI version');
}

module.exports = ph;
