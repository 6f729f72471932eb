//! One list of attacks, made three times: without jail, in the namespace backend, and in the container backend, the last
//! two by the same manifest.
//!
//! Without jail each must work, else its refusal shows nothing. In a jail each must be refused and say so (a crash is no
//! refusal), and the host must show no effect of it. What must work in a jail, too, shows that the way out is there.
//!
//! | part | what |
//! |---|---|
//! | [`list`] | the attacks |
//! | [`probe`] | this program as the connector: makes them all, one process each |
//! | [`host`], [`host_servers`] | what they are made at: servers, a resolver, sockets, another container |
//! | [`fixture`] | the files that they are made at, as new for each of the three runs |

mod fixture;
mod host;
mod host_servers;
mod list;
pub mod probe;

use crate::Outcome;
use crate::engines::{World, text};
use fixture::Fixture;
use host::Host;
use libtest_mimic::Trial;
use list::{ALL, Attack, Needs};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

pub const MANIFEST: &str = "attacked";

/// What each attack came to, in one of the three runs.
type Column = BTreeMap<String, Found>;

#[derive(Clone)]
struct Found {
    /// It said that it worked, or the host shows that it did.
    worked: bool,
    /// It said anything at all.
    said: bool,
    detail: String,
}

struct Table {
    control: Column,
    namespace: Column,
    container: Column,
    /// No addresses of its own in this network namespace.
    no_space: bool,
}

pub fn trials(world: &Result<Arc<World>, String>) -> Vec<Trial> {
    let one = |attack: &'static Attack| {
        let name = format!("attack_in_both_{}", attack.name);
        crate::trial_of(&name, world, move |world| judge(&*table(world)?, attack))
    };
    ALL.iter().map(one).collect()
}

fn table(world: &World) -> Result<Arc<Table>, String> {
    static TABLE: OnceLock<Result<Arc<Table>, String>> = OnceLock::new();
    TABLE.get_or_init(|| all(world).map(Arc::new)).clone()
}

fn judge(table: &Table, attack: &Attack) -> Outcome {
    let of = |column: &Column| {
        let found = column.get(attack.name).filter(|found| found.said);
        found.cloned().ok_or_else(|| format!("{} was not tried", attack.name))
    };
    let root = nix::unistd::geteuid().is_root();
    let excuse = match attack.needs {
        Needs::Root if !root => "an ordinary user cannot do it without jail either",
        Needs::Space if table.no_space => {
            "no addresses besides loopback's in this network namespace (integration/containers/space.sh)"
        }
        _ => "",
    };
    if attack.must_work && !excuse.is_empty() {
        return Err(format!("skip: {excuse}"));
    }
    for (backend, column) in [("namespace", &table.namespace), ("container", &table.container)] {
        let found = of(column)?;
        match (attack.must_work, found.worked) {
            (true, false) => {
                return Err(format!("{backend}: it must work, and did not: {}", found.detail));
            }
            (false, true) => return Err(format!("{backend}: it worked: {}", found.detail)),
            _ => {}
        }
    }
    let control = of(&table.control)?;
    match (control.worked, excuse) {
        (true, _) => Ok(()),
        (false, "") => {
            Err(format!("the control did not work, and this shows nothing: {}", control.detail))
        }
        (false, excuse) => Err(format!("skip: refused in both, and {excuse}")),
    }
}

fn all(world: &World) -> Result<Table, String> {
    let fixture = Fixture::new(world);
    let host = Host::start(world, &fixture)?;
    fixture.image(world)?;
    host.manifest(world, &fixture);
    let no_space = !host.space;
    let control = run(world, &host, &fixture, "control", &[])?;
    let jail = |backend| {
        let program = world.jail.display().to_string();
        vec![
            program,
            "run".into(),
            "--quiet".into(),
            format!("--sandbox={backend}"),
            MANIFEST.into(),
        ]
    };
    let namespace = run(world, &host, &fixture, "namespace", &jail("namespace"))?;
    let container = run(world, &host, &fixture, "container", &jail("container"))?;
    let table = Table { control, namespace, container, no_space };
    show(&table);
    Ok(table)
}

/// One of the three runs: `words` start it, and none means without jail.
fn run(
    world: &World,
    host: &Host,
    fixture: &Fixture,
    which: &str,
    words: &[String],
) -> Result<Column, String> {
    let jailed = !words.is_empty();
    fixture.renew(world.docker && which == "container");
    let before = host.hits().len();
    let neighbour = fixture.neighbour()?;
    let own = [fixture.program.display().to_string(), "--probe".to_owned()];
    let mut command = host.command(world, if jailed { words } else { &own });
    command.current_dir(if jailed { world.path("work") } else { fixture.workspace() });
    command.env(probe::VARIABLE, host.values(fixture, &neighbour, jailed).to_string());
    let output = command.output().map_err(|error| format!("{which}: {error}"))?;
    let said = text(&output.stdout);
    let mut column = Column::new();
    for line in said.lines() {
        if let Some((name, kind, detail)) = probe::parse(line) {
            let found = Found { worked: kind == "got", said: true, detail: detail.to_owned() };
            column.insert(name.to_owned(), found);
        }
    }
    for attack in ALL {
        let effect = attack.effect.and_then(|effect| effect(&fixture.seen(&neighbour)));
        if let (Some(effect), Some(found)) = (effect, column.get_mut(attack.name)) {
            found.worked = true;
            found.detail = format!("{}; on the host: {effect}", found.detail);
        }
    }
    fixture.clean();
    if column.is_empty() {
        return Err(format!("{which}: {}: {said}{}", output.status, text(&output.stderr)));
    }
    // Whatever the attacks themselves say: nothing of a jail came to a server that no rule names.
    let came: Vec<String> = host.hits()[before..].to_vec();
    if jailed && !came.is_empty() {
        return Err(format!("{which}: these servers were reached: {came:?}"));
    }
    if !jailed && came.is_empty() {
        return Err("without jail no server was reached either".to_owned());
    }
    Ok(column)
}

fn show(table: &Table) {
    println!("{:<26} {:<22} {:<44} container", "attack", "without jail", "namespace");
    for attack in ALL {
        let cell = |column: &Column| {
            column.get(attack.name).map_or("not tried".to_owned(), |found| {
                let word = if found.worked { "WORKED" } else { "refused" };
                format!("{word}: {}", found.detail)
            })
        };
        let short = |text: String, most: usize| text.chars().take(most).collect::<String>();
        println!(
            "{:<26} {:<22} {:<44} {}",
            attack.name,
            short(cell(&table.control), 20),
            short(cell(&table.namespace), 42),
            short(cell(&table.container), 60),
        );
    }
}
