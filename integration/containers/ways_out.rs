//! docker/compose.egress-proxy.yaml and docker/compose.egress-alternatives.yaml: what containers on `cloned_sandbox`
//! reach by them, and that nothing else leads out.

use crate::engines::{IMAGE, World, copy_into, libraries, needs, text, which};
use crate::outside::{ADDRESS, HELLO};
use crate::shipped::Shipped;
use crate::{Outcome, Scene};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

pub const ALL: &[Scene] = &[
    ("egress_proxy", jail),
    ("egress_squid", squid),
    ("egress_envoy", envoy),
    ("egress_traefik", traefik),
];

const ALTERNATIVES: &str = "compose.egress-alternatives.yaml";
/// On a network with a way out, under two names, of which rules know one.
const SERVER: &str = "jail-test-web";
const POLICY: &str = "work/.cloned/policy/ways-out.yaml";

struct Rules<'a>(&'a World);

impl Rules<'_> {
    fn write(&self, lines: &str) {
        fs::write(self.0.path(POLICY), format!("version: 1\nrules:\n{lines}")).unwrap();
    }
}

impl Drop for Rules<'_> {
    fn drop(&mut self) {
        fs::remove_file(self.0.path(POLICY)).ok();
        self.0.ask(&["rm", "--force", SERVER]).ok();
    }
}

const ALLOWED: &str = "- {allow: 'allowed.test:80', private: true, reason: a test}\n";

/// A server whose addresses are private: the rule says that they are meant.
fn serve(world: &World) -> Result<(), String> {
    let mut args = vec!["run", "--detach", "--name", SERVER, "--network", "cloned_outside"];
    args.extend(["--network-alias=allowed.test", "--network-alias=refused.test"]);
    args.extend([IMAGE, "httpd", "-f", "-p", "80", "-h", "/srv"]);
    world.ask(&args).map(drop)
}

/// curl in a container that is on `cloned_sandbox` alone: exit code 0, and what it said.
fn client(world: &World, args: &[&str]) -> (bool, String) {
    let run = ["run", "--rm", "--network=cloned_sandbox", "--dns=127.0.0.1", IMAGE];
    let mut command = world.command("docker");
    let output = command.args(run).args(["curl", "-sS", "-m", "20"]).args(args).output().unwrap();
    // Docker warns of such a resolver.
    match output.status.success() {
        true => (true, text(&output.stdout)),
        false => (false, text(&output.stdout) + &text(&output.stderr)),
    }
}

/// What is allowed is reached by the proxy, what is not is refused with that status, and without the proxy there is
/// no way to either.
fn judge(world: &World, proxy: &str, refusal: &str) -> Outcome {
    let proxy = format!("http://{proxy}:3128");
    let (fine, said) = client(world, &["-x", &proxy, "http://allowed.test/health"]);
    if !fine || said.trim() != "ok" {
        return Err(format!("an allowed host: {said}"));
    }
    let (_, said) = client(
        world,
        &[
            "-x",
            &proxy,
            "-w",
            "status %{http_code}",
            "-o",
            "/dev/null",
            "http://refused.test/health",
        ],
    );
    if !said.contains(&format!("status {refusal}")) {
        return Err(format!("another host: {said}"));
    }
    let (fine, said) = client(world, &["-p", "-x", &proxy, "http://refused.test/health"]);
    if fine || !said.contains(refusal) {
        return Err(format!("a tunnel to another host: {said}"));
    }
    nothing_else(world)
}

/// The other machine is reached from a plain container, and from one on `cloned_sandbox` not.
fn nothing_else(world: &World) -> Outcome {
    // A port for each time that this is asked.
    static PORT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(8100);
    let port = PORT.fetch_add(1, Ordering::SeqCst);
    let met = world.outside()?.serve(port)?;
    let to = format!("http://{ADDRESS}:{port}/");
    let control = world.ask(&["run", "--rm", IMAGE, "curl", "-sS", "-m", "20", &to])?;
    if control != HELLO || met.take()? != 1 {
        return Err(format!("a plain container does not get out either: {control}"));
    }
    let format = "{{(index .NetworkSettings.Networks \"cloned_outside\").IPAddress}}";
    let server = world.ask(&["inspect", "--format", format, SERVER])?;
    for to in [to, format!("http://{server}/health"), "http://allowed.test/health".to_owned()] {
        let (fine, said) = client(world, &["-m", "4", "--noproxy", "*", &to]);
        if fine || met.take()? > 0 {
            return Err(format!("{to} without the proxy: {said}"));
        }
    }
    Ok(())
}

/// The static file of `make build` where there is one of this source, else the program under test with its libraries:
/// a static build takes longer than all tests. All but that line of the Dockerfile is as it is shipped.
fn binary(world: &World, shipped: &Shipped<'_>) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let context = world.path("work/build");
    fs::create_dir_all(&context).unwrap();
    fs::copy(root.join(".dockerignore"), world.path("work/.dockerignore")).unwrap();
    let file = root.join("build/jail");
    let proxy = Command::new(&file).args(["proxy", "--help"]).output();
    if proxy.is_ok_and(|output| output.status.success()) {
        fs::copy(file, context.join("jail")).unwrap();
        return Ok(());
    }
    // .dockerignore lets only that name pass.
    let inside = context.join("jail");
    fs::create_dir_all(&inside).unwrap();
    let strip = Command::new("strip").arg("-o").arg(inside.join("jail")).arg(&world.jail).status();
    if !strip.is_ok_and(|status| status.success()) {
        fs::copy(&world.jail, inside.join("jail")).unwrap();
    }
    for library in libraries(&world.jail) {
        copy_into(&inside, &library);
    }
    let dockerfile = shipped.path("Dockerfile.static");
    let text = fs::read_to_string(&dockerfile).unwrap();
    let line = "COPY build/jail /jail\n";
    if !text.contains(line) {
        return Err(format!("Dockerfile.static has no `{}`", line.trim()));
    }
    fs::write(dockerfile, text.replace(line, "COPY build/jail /\n")).unwrap();
    Ok(())
}

fn jail(world: &World) -> Outcome {
    const NAME: &str = "cloned-egress-proxy";
    world.docker_alone()?;
    let shipped = Shipped::lay(world, "compose.egress-proxy.yaml")?;
    let rules = Rules(world);
    binary(world, &shipped)?;
    let met = world.outside()?.serve(8090)?;
    let address = format!("- {{allow: '{ADDRESS}:8090', reason: a test}}\n");
    rules.write(&format!("{ALLOWED}{address}"));
    shipped.compose(&["up", "--detach", "--build"])?;
    serve(world)?;
    shipped.healthy(NAME)?;
    judge(world, "egress-proxy", "403")?;
    let proxy = "http://egress-proxy:3128";
    let far = format!("http://{ADDRESS}:8090/");
    let (_, said) = client(world, &["-x", proxy, &far]);
    if said != HELLO || met.take()? != 1 {
        return Err(format!("another machine: {said}"));
    }
    let socks = "socks5h://egress-proxy:1080";
    let (_, said) = client(world, &["-x", socks, "http://allowed.test/health"]);
    let (worse, refused) = client(world, &["-x", socks, "http://refused.test/health"]);
    if said.trim() != "ok" || worse {
        return Err(format!("SOCKS5: {said}; another host: {refused}"));
    }
    // A rule of the host counts at once, and its end as well.
    rules.write(&ALLOWED.replace("allowed.test", "refused.test"));
    let reached = |host: &str| client(world, &["-x", proxy, &format!("http://{host}/health")]).1;
    crate::engines::until("the new rule", || reached("refused.test").trim() == "ok")?;
    let gone = reached("allowed.test");
    if !gone.contains("no rule allows it") {
        return Err(format!("the old rule: {gone}"));
    }
    let found = shipped.doctor(NAME)?;
    // What the file allows by comments, which the running container has not.
    match found == ["containers.sensitive-bind", "containers.open-egress"] {
        true => Ok(()),
        false => Err(format!("jail doctor containers: {found:?}")),
    }
}

/// Another program with the exported rules, on the shipped service of that name.
fn instead(world: &World, name: &str, root: &Path, tell: impl Fn(String) -> String) -> Outcome {
    world.docker_alone()?;
    let shipped = Shipped::lay(world, ALTERNATIVES)?;
    let rules = Rules(world);
    rules.write(ALLOWED);
    let exported = world.jail(&["firewall", "export", "--format", name]);
    if !exported.status.success() {
        return Err(format!("export: {}", text(&exported.stderr)));
    }
    let file = if name == "squid" { "squid.conf" } else { "envoy.yaml" };
    fs::write(shipped.path("egress").join(file), tell(text(&exported.stdout))).unwrap();
    let image = format!("127.0.0.1:5000/{name}:standin");
    world.import(root, &image)?;
    let upper = name.to_uppercase();
    shipped.say(&format!(
        "{upper}_IMAGE=127.0.0.1:5000/{name}\n{upper}_VERSION=standin\n{upper}_DIGEST={}\n",
        world.digest(&image)?
    ));
    shipped.compose(&["--profile", name, "up", "--detach"])?;
    serve(world)?;
    shipped.healthy(&format!("cloned-egress-{name}-1"))?;
    // An unknown host is none of Envoy's routes.
    judge(world, &format!("egress-{name}"), if name == "envoy" { "404" } else { "403" })
}

/// A root file system of a program of this machine, with a shell.
fn root(world: &World, name: &str, programs: &[&Path]) -> Result<PathBuf, String> {
    let root = world.path(name);
    for folder in ["bin", "etc", "tmp", "srv", "usr/local/bin"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let busybox = which("busybox")?;
    fs::copy(&busybox, root.join("bin/busybox")).unwrap();
    // Debian has a static one and one that is not.
    for library in libraries(&busybox) {
        copy_into(&root, &library);
    }
    for applet in ["sh", "grep"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    for program in programs {
        fs::copy(program, root.join("usr/local/bin").join(program.file_name().unwrap())).unwrap();
        for library in libraries(program) {
            copy_into(&root, &library);
        }
    }
    fs::write(root.join("etc/nsswitch.conf"), "hosts: files dns\n").unwrap();
    fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\nproxy:x:13:13::/:/bin/sh\n")
        .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\nproxy:x:13:\n").unwrap();
    Ok(root)
}

/// Debian's package, as it is installed here.
fn squid(world: &World) -> Outcome {
    world.docker_alone()?;
    let how = "scripts/setup.sh test installs it";
    let program = needs(PathBuf::from("/usr/sbin/squid"), how)?;
    let root = root(world, "squid", &[&program])?;
    for folder in ["/usr/share/squid", "/usr/share/squid-langpack", "/etc/squid"] {
        let to = root.join(folder.trim_start_matches('/'));
        fs::create_dir_all(&to).unwrap();
        let mut copy = Command::new("cp");
        // Not there is as good as empty; what squid misses it says, and does not start.
        copy.args(["-rLT", folder]).arg(to).stderr(std::process::Stdio::null()).status().ok();
    }
    // It looks for this one, which is never run where nothing is kept.
    let helper = needs(PathBuf::from("/usr/lib/squid/unlinkd"), how)?;
    copy_into(&root, &helper);
    for library in libraries(&helper) {
        copy_into(&root, &library);
    }
    instead(world, "squid", &root, |rules| rules)
}

fn envoy(world: &World) -> Outcome {
    world.docker_alone()?;
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/exports/server/envoy/_bin/envoy");
    let program = needs(build, "tests/exports/install.sh puts it there")?;
    let root = root(world, "envoy", &[&program])?;
    // The head of the compose file says the same with sed.
    instead(world, "envoy", &root, |rules| rules.replace("address: 127.0.0.1", "address: 0.0.0.0"))
}

fn traefik(_: &World) -> Outcome {
    Err("skip: no registry that is reachable here has the program (Debian, PyPI, npm)".to_owned())
}
