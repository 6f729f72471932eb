//! The clients: names, programs and what they are told.

use super::Client;

const FETCH: &str = "fetch('https://{host}/').then(r => r.text()).then(t => console.log(t)).catch(e => { console.error(e); process.exit(1) })";
const URLLIB: &str = "import urllib.request as u; print(u.urlopen('https://{host}/').read())";
const URLLIB_PLAIN: &str = "import urllib.request as u; print(u.urlopen('http://{host}/').read())";
const REQUESTS: &str = "import requests; print(requests.get('https://{host}/').text)";
const HTTPX: &str = "import httpx; print(httpx.get('https://{host}/').text)";
const AIOHTTP: &str = "
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession(trust_env={env}) as session:
        async with session.get('https://{host}/') as reply:
            print(await reply.text())
asyncio.run(main())";

const URLLIB3: &str = "
import os, urllib3
proxy = os.environ.get('https_proxy')
pool = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
for scheme in ('https', 'http'):
    reply = pool.request('GET', scheme + '://{host}/', retries=False)
    assert reply.status == 200, reply.status
    print(reply.data.decode())";
/// Git's own protocol: a clone, a push of something new, and another clone that fetches it.
const GIT: &str = "
set -e
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
cd \"$(mktemp -d)\"
git clone -q https://{host}/git/repository.git one
cd one
cat file
echo more >more
git add more
git commit -q -m 'pushed by {unique}'
git push -q origin HEAD:refs/heads/from-{unique}
cd ..
git clone -q --depth 1 https://{host}/git/repository.git two
cd two
git fetch -q origin from-{unique}
git log --format='fetched, %s' FETCH_HEAD";
const BOTH: &[&str] = &["https://{host}/", "http://{host}/"];
const WAYS: &[&str] = &["{clients}/fetch.mjs", "{host}"];
const PACKAGE: &[&str] =
    &["view", "thing", "version", "--registry", "https://{host}/files/npm/", "--fetch-retries=0"];

pub(super) const CLIENTS: &[Client] = &[
    Client {
        name: "curl_https",
        program: "curl",
        args: &["-fsS", "https://{host}/"],
        ..Client::BASE
    },
    Client {
        name: "curl_http",
        program: "curl",
        args: &["-fsS", "http://{host}/"],
        ..Client::BASE
    },
    Client {
        name: "curl_https_bare",
        program: "curl",
        args: &["-fsS", "https://{host}/"],
        bare: true,
        ..Client::BASE
    },
    Client {
        name: "curl_http_bare",
        program: "curl",
        args: &["-fsS", "http://{host}/"],
        bare: true,
        ..Client::BASE
    },
    Client {
        name: "curl_socks",
        program: "curl",
        args: &["-sS", "--socks5-hostname", "{socks}", "https://{host}/"],
        bare: true,
        ..Client::BASE
    },
    Client {
        name: "git_clone",
        program: "git",
        args: &[
            "clone",
            "-q",
            "https://{host}/files/repository.git",
            "/tmp/cloned-{host}-{unique}",
        ],
        says: "",
        ..Client::BASE
    },
    Client {
        name: "git_ls_remote_bare",
        program: "git",
        args: &["ls-remote", "https://{host}/files/repository.git"],
        says: "refs/heads/main",
        bare: true,
        ..Client::BASE
    },
    Client { name: "node_fetch", program: "node", args: &["-e", FETCH], ..Client::BASE },
    Client {
        name: "node_fetch_bare",
        program: "node",
        args: &["-e", FETCH],
        bare: true,
        ..Client::BASE
    },
    Client { name: "npm_view", program: "npm", args: PACKAGE, says: "7.8.9", ..Client::BASE },
    Client {
        name: "npm_view_bare",
        program: "npm",
        args: PACKAGE,
        says: "7.8.9",
        bare: true,
        ..Client::BASE
    },
    Client { name: "python_urllib", program: "python", args: &["-c", URLLIB], ..Client::BASE },
    Client {
        name: "python_urllib_plain",
        program: "python",
        args: &["-c", URLLIB_PLAIN],
        ..Client::BASE
    },
    Client {
        name: "python_urllib_bare",
        program: "python",
        args: &["-c", URLLIB],
        bare: true,
        ..Client::BASE
    },
    Client { name: "python_requests", program: "python", args: &["-c", REQUESTS], ..Client::BASE },
    Client {
        name: "python_requests_bare",
        program: "python",
        args: &["-c", REQUESTS],
        bare: true,
        ..Client::BASE
    },
    Client { name: "python_httpx", program: "python", args: &["-c", HTTPX], ..Client::BASE },
    Client {
        name: "python_httpx_bare",
        program: "python",
        args: &["-c", HTTPX],
        bare: true,
        ..Client::BASE
    },
    Client { name: "python_aiohttp", program: "python", args: &["-c", AIOHTTP], ..Client::BASE },
    Client {
        name: "python_aiohttp_bare",
        program: "python",
        args: &["-c", AIOHTTP],
        bare: true,
        ..Client::BASE
    },
    Client { name: "go_cgo0", program: "go-cgo0", args: BOTH, ..Client::BASE },
    Client { name: "go_cgo0_bare", program: "go-cgo0", args: BOTH, bare: true, ..Client::BASE },
    Client { name: "go_cgo1", program: "go-cgo1", args: BOTH, ..Client::BASE },
    Client { name: "go_cgo1_bare", program: "go-cgo1", args: BOTH, bare: true, ..Client::BASE },
    Client { name: "rust_static", program: "rust-static", args: BOTH, ..Client::BASE },
    Client {
        name: "rust_static_bare",
        program: "rust-static",
        args: BOTH,
        bare: true,
        ..Client::BASE
    },
    Client {
        name: "git_smart",
        program: "sh",
        args: &["-c", GIT],
        says: "fetched, pushed by",
        sends: Some("POST /git/repository.git/git-receive-pack"),
        ..Client::BASE
    },
    Client {
        name: "git_smart_bare",
        program: "sh",
        args: &["-c", GIT],
        says: "fetched, pushed by",
        bare: true,
        sends: Some("POST /git/repository.git/git-receive-pack"),
    },
    Client { name: "node_18", program: "node-18", args: WAYS, ..Client::BASE },
    Client { name: "node_18_bare", program: "node-18", args: WAYS, bare: true, ..Client::BASE },
    Client { name: "node_20", program: "node-20", args: WAYS, ..Client::BASE },
    Client { name: "node_20_bare", program: "node-20", args: WAYS, bare: true, ..Client::BASE },
    Client { name: "node_22", program: "node-22", args: WAYS, ..Client::BASE },
    Client { name: "node_22_bare", program: "node-22", args: WAYS, bare: true, ..Client::BASE },
    Client { name: "node_24", program: "node-24", args: WAYS, ..Client::BASE },
    Client { name: "node_24_bare", program: "node-24", args: WAYS, bare: true, ..Client::BASE },
    Client { name: "node_26", program: "node-26", args: WAYS, ..Client::BASE },
    Client { name: "node_26_bare", program: "node-26", args: WAYS, bare: true, ..Client::BASE },
    Client { name: "python_urllib3", program: "python", args: &["-c", URLLIB3], ..Client::BASE },
    Client {
        name: "python_urllib3_bare",
        program: "python",
        args: &["-c", URLLIB3],
        bare: true,
        ..Client::BASE
    },
];
