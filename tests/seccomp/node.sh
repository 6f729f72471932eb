set -eu
cat >t.js <<'JS'
const assert = require('assert'), fs = require('fs'), os = require('os'), net = require('net');
const { Worker } = require('worker_threads'), cp = require('child_process');
const wait = (emitter, event) => new Promise((ok, no) => emitter.once(event, ok).once('error', no));
if (process.argv[2] !== 'child') (async () => {
  await wait(new Worker('require("worker_threads").parentPort.postMessage(1)', { eval: true }), 'exit');
  assert.equal(cp.execSync('echo hi | cat').toString(), 'hi\n');
  assert.equal(cp.spawnSync('false').status, 1);
  const detached = cp.spawn('sleep', ['9'], { detached: true, stdio: 'ignore' });
  process.kill(-detached.pid); await wait(detached, 'exit');
  const fork = cp.fork(__filename, ['child']); fork.send('x'); assert.equal(await wait(fork, 'message'), 'x');
  await wait(fork, 'exit');
  const watcher = fs.watch('.'); setTimeout(() => fs.writeFileSync('new', 'x'), 20); await wait(watcher, 'change'); watcher.close();
  const server = net.createServer(c => c.end('x')); server.listen('./s.sock'); await wait(server, 'listening');
  await wait(net.connect('./s.sock'), 'data'); server.close();
  const udp = require('dgram').createSocket('udp4'); udp.close();
  os.networkInterfaces(); os.cpus(); os.setPriority(5); os.userInfo();
  await require('dns').promises.lookup('localhost').catch(() => {});
  const refusal = await fetch('http://127.0.0.1:9999/').catch(e => e.cause.code); assert.ok(refusal);
  new WebAssembly.Module(Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0]));
  let f = 0; for (let i = 0; i < 3e6; i++) f += i % 7;
  fs.cpSync('t.js', 'u.js'); fs.chmodSync('u.js', 0o600); fs.utimesSync('u.js', 1, 1); fs.rmSync('u.js');
  require('zlib').gunzipSync(require('zlib').gzipSync('x')); require('crypto').generateKeyPairSync('ed25519');
})().catch(e => { console.error(e); process.exit(1); });
if (process.argv[2] === 'child') process.once('message', m => { process.send(m); process.disconnect(); process.exit(0); });
JS
node t.js
