// Fetches https://HOST/ in each way that a program of this Node.js has, and prints a line for each:
// `fetch`, `https.get`, and undici from npm, of the version that this Node.js can run.
//
//   fetch.mjs HOST

import https from 'node:https';
import http from 'node:http';

const url = `https://${process.argv[2]}/`;
const major = Number(process.versions.node.split('.')[0]);
const undici = await import(major < 20 ? 'undici6' : major < 22 ? 'undici7' : 'undici8');
const proxied = Boolean(process.env.https_proxy);
const dispatcher = proxied ? new undici.EnvHttpProxyAgent() : new undici.Agent();

const get = (module, url) => new Promise((resolve, reject) => {
  const request = module.get(url, (reply) => {
    let text = '';
    reply.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => resolve(text));
  });
  request.on('error', reject);
});

const ways = {
  fetch: async () => (await fetch(url)).text(),
  'https.get': () => get(https, url),
  'http.get': () => get(http, url.replace('https:', 'http:')),
  'undici.request': async () => (await undici.request(url, { dispatcher })).body.text(),
  'undici.fetch': async () => (await undici.fetch(url, { dispatcher })).text(),
};

for (const [way, act] of Object.entries(ways)) {
  try {
    console.log(`${way}: ${await act()}`);
  } catch (error) {
    const why = error.cause ?? error;
    console.log(`${way} failed: ${why.code ?? why.message}`);
    process.exitCode = 1;
  }
}
