// Keeps a page up to date, and gives it keys. Every page works without it: all that is done here is
// what the browser would do with a reload, a link or a button.
'use strict';

const root = document.documentElement;
root.classList.add('has-js');
const page = document.body.dataset.page;
const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
const say = (text) => { const at = $('#say'); if (at) at.textContent = text; };

// === pairing: the code is in the fragment of the link, which a browser sends to nobody

function fill() {
  const code = decodeURIComponent(location.hash.slice(1));
  if (!/^[0-9A-Za-z-]{4,32}$/.test(code)) return;
  $('#code').value = code;
  // Not in the history, not in a screenshot, not in what is copied from the address bar.
  history.replaceState(null, '', location.pathname);
  $('button.main').focus();
}

function start() {
  // A key that was pressed twice answers one request and not the next, too.
  moved = performance.now();
  follow();
  addEventListener('pagehide', () => source?.close());
  addEventListener('pageshow', (event) => { if (event.persisted) follow(); });
  // A browser has six connections to one place for all its tabs: those that nobody sees need none.
  document.addEventListener('visibilitychange', () => { if (document.hidden) source?.close(); else follow(); });
  // Times grow older by themselves.
  setInterval(() => { if (!document.hidden) refresh(); }, 30000);
  $('#help-open').addEventListener('click', () => $('#help').showModal());
  document.addEventListener('keydown', key);
  document.addEventListener('submit', submit);
  focusOf(location.hash);
}

// === what happens elsewhere

let source;
let pending = false;
// What moved under a finger or a pointer is not pressed by mistake.
let moved = 0;
const SETTLE = 500;

// A page that is not looked at has no connection; when it is, it asks for what is new.
function follow() {
  source?.close();
  if (document.hidden) return;
  const live = $('#live');
  const show = (word, name) => { live.textContent = word; live.className = `js live ${name}`; };
  source = new EventSource('/live');
  source.onopen = () => { show('live', 'on'); refresh(); };
  source.onerror = () => { show('not connected', 'off'); if (source.readyState === EventSource.CLOSED) setTimeout(refresh, 1000); };
  source.addEventListener('change', refresh);
}

// One at a time; what comes meanwhile is one more.
let again = false;
async function refresh() {
  if (pending) { again = true; return; }
  pending = true;
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { accept: 'text/html' }, redirect: 'follow' });
    if (answer.status === 401) { location.assign('/pair'); return; }
    if (answer.ok) patch(new DOMParser().parseFromString(await answer.text(), 'text/html'));
  } catch { /* EventSource says that nobody answers, and tries again. */ }
  finally {
    pending = false;
    if (again) { again = false; refresh(); }
  }
}

// Takes over what changed. What somebody is typing or choosing stays, and so does the focus.
function patch(next) {
  if (next.body.dataset.page !== page) return;
  document.title = next.title;
  // Where everything is: what is gone or elsewhere then has moved under a finger.
  const before = new Map($$('[data-list] > *').map((it) => [it, spot(it)]));
  swap($('#nav'), $('#nav', next));
  for (const list of $$('[data-list]')) keyed(list, document.importNode($(`#${list.id}`, next), true));
  // A console that was started anew knows its forms by another word.
  const token = $('input[name=token]', next)?.value;
  if (token) for (const it of $$('[data-list] input[name=token]')) it.value = token;
  for (const part of $$('main [data-part]:not([data-list] *)')) {
    const fresh = $(`main [data-part="${part.dataset.part}"]:not([data-list] *)`, next);
    if (fresh) swap(part, fresh); else part.remove();
  }
  if ([...before].some(([it, at]) => !it.isConnected || spot(it) !== at)) moved = performance.now();
}

function swap(old, fresh) {
  if (!old || !fresh) return;
  const open = new Set($$('details[open]', old).map((it) => it.id));
  const node = document.importNode(fresh, true);
  for (const it of $$('details', node)) it.open = open.has(it.id);
  if (old.innerHTML === node.innerHTML) return;
  const at = place(old);
  old.replaceChildren(...node.childNodes);
  if (at) $$('a, button, input, select, summary', old)[at - 1]?.focus({ preventScroll: true });
}

// The how-manieth thing of these has the focus.
function place(within) {
  return within.contains(document.activeElement)
    ? $$('a, button, input, select, summary', within).indexOf(document.activeElement) + 1 : 0;
}

// Where it is on the page, and each of its buttons, and what they say.
function spot(it) {
  return [it, ...$$('button, select', it)].map((at) => {
    const { left, top, width, height } = at.getBoundingClientRect();
    return [left + scrollX, top + scrollY, width, height, at === it ? '' : at.textContent];
  }).join();
}

function keyed(list, fresh) {
  const old = new Map([...list.children].map((it) => [it.dataset.key, it]));
  const names = [];
  const now = [...fresh.children].map((it) => {
    const kept = old.get(it.dataset.key);
    if (!kept) {
      $('[data-request]', it).classList.add('new');
      names.push($('h2', it).textContent.trim().replace(/\s+/g, ' '));
      return it;
    }
    for (const part of $$('[data-part]', kept)) swap(part, $(`[data-part="${part.dataset.part}"]`, it));
    return kept;
  });
  const gone = [...list.children].filter((it) => !now.includes(it));
  const index = [...list.children].findIndex((it) => it.contains(document.activeElement));
  const lost = gone.some((it) => it.contains(document.activeElement));
  for (const it of gone) it.remove();
  now.forEach((it, at) => { if (list.children[at] !== it) list.insertBefore(it, list.children[at] || null); });
  if (lost) ($$('[data-request]')[Math.min(index, now.length - 1)] || $('#main')).focus({ preventScroll: true });
  if (names.length) say(names.length === 1 ? `New request: ${names[0]}` : `${names.length} new requests`);
}

// === answers

async function submit(event) {
  const form = event.target;
  if (form.method !== 'post' || !form.matches('main form')) return;
  if (form.closest('[data-list]') && performance.now() - moved < SETTLE) {
    event.preventDefault();
    say('The list has just changed: look again.');
    return;
  }
  // A form is sent once.
  if (form.classList.contains('busy')) { event.preventDefault(); return; }
  form.classList.add('busy');
}
// Back from the history, a form can be sent again.
addEventListener('pageshow', () => { for (const it of $$('form.busy')) it.classList.remove('busy'); });

// === keys

const ACTS = { d: 'deny', o: 'once', s: 'session', h: '2h', a: 'always' };

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
  const writes = event.target.matches('input, textarea');
  if (writes || $('#help').open) return;
  if (event.key === '?') { $('#help').showModal(); event.preventDefault(); return; }
  if (/^[1-9]$/.test(event.key)) { $$('#nav a')[event.key - 1]?.click(); return; }
  if (event.target.matches('select')) return;
  const requests = $$('[data-request]');
  const at = requests.findIndex((it) => it.contains(document.activeElement));
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (step && requests.length) {
    const next = at < 0 ? 0 : Math.max(0, Math.min(requests.length - 1, at + step));
    requests[next].focus({ preventScroll: true });
    requests[next].scrollIntoView({ block: 'nearest' });
    event.preventDefault();
    return;
  }
  if (at < 0) return;
  if (event.key === 'w') { $('select', requests[at]).focus(); event.preventDefault(); return; }
  // Held down, a key answers one request and not those that move up.
  if (event.repeat || !(event.key in ACTS)) return;
  const button = $(`button[value="${ACTS[event.key]}"]`, requests[at]);
  if (button) { event.preventDefault(); button.form.requestSubmit(button); } else say('This answer is not possible here.');
}

function focusOf(hash) {
  const answered = /^#a-[a-z2-7]{10}$/.test(hash) ? $(hash) : null;
  if (answered) { answered.open = true; return; }
  const named = /^#r-[a-z2-7]{10}$/.test(hash) ? $(`${hash} [data-request]`) : null;
  const first = page === '/' ? $('[data-request]') : null;
  // After an answer the next one is at hand.
  (named || first)?.focus({ preventScroll: !named });
}

// === and now

if (page === '/pair') {
  fill();
  // The link was opened where this page is already.
  addEventListener('hashchange', fill);
} else {
  start();
}
