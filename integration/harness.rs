//! What makes a test pass.
//!
//! 1. Control: the attack runs unjailed and must succeed, or the test proves nothing and fails.
//! 2. Jailed: the same code against a fresh fixture must be refused, must say so (a crash, a timeout
//!    or garbage is a failure), its output must not hold the fixture's secret, and the host must
//!    show no effect.

use crate::fixture::Fixture;
use crate::requires::Need;
use crate::tier::{self, Here};
use libtest_mimic::Failed;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// One attack.
pub struct Attack {
    pub name: &'static str,
    /// What is tried, in a few words.
    pub about: &'static str,
    pub requires: &'static [Need],
    /// Where the control gets the rights that an ordinary process does not have.
    pub control: Control,
    /// Host side, before each of the two runs.
    pub setup: fn(&mut Fixture),
    /// Options of `jail run`; `{name}` stands for a value of the fixture.
    pub jail_args: &'static [&'static str],
    pub attack: fn(&Env) -> Verdict,
    /// Host side, while the attack runs; gets the pid that was started.
    pub during: Option<fn(&Fixture, u32)>,
    /// Host side, after the run: what the attack did to the host, if anything.
    pub effect: Option<fn(&Fixture, &Outcome) -> Option<String>>,
    /// Where refusing the whole run (exit code 125) is the right answer: a word of its message.
    pub run_refused: Option<&'static str>,
    /// The harness ends the jailed run itself (kill -9): there is no verdict to wait for.
    pub cut_short: bool,
    /// Jailed runs; more than one for races.
    pub repeat: u32,
    /// Not prevented, on purpose: why. The test shows that it is so, so that the claim stays true.
    pub by_design: Option<&'static str>,
}

pub enum Control {
    Plain,
    /// As root of a new user namespace with mount, network, ipc and uts namespaces.
    Userns,
}

impl Attack {
    pub const BASE: Self = Self {
        name: "",
        about: "",
        requires: &[],
        control: Control::Plain,
        setup: |_| {},
        jail_args: &[],
        attack: |_| Verdict::Refused("there is no attack".into()),
        during: None,
        effect: None,
        run_refused: None,
        cut_short: false,
        repeat: 1,
        by_design: None,
    };
}

/// What the attack knows.
pub struct Env {
    pub values: BTreeMap<String, String>,
    pub jailed: bool,
}

impl Env {
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).unwrap_or_else(|| panic!("the fixture has no `{name}`"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.get(name).into()
    }
}

/// What the attack says of itself.
pub enum Verdict {
    Escaped(String),
    Refused(String),
    /// It did all that it can; whether that was an escape is for the host to see.
    Tried(String),
}

/// What a run left.
pub struct Outcome {
    pub code: Option<i32>,
    pub output: String,
    pub errors: String,
    pub verdict: Option<(String, String)>,
    pub timed_out: bool,
}

pub fn test(attack: &'static Attack) -> Result<(), Failed> {
    // Of a run that is refused nothing is tried.
    if !matches!(tier::of(attack.name), Some(Here::Refused(_))) {
        control(attack).map_err(|why| {
            Failed::from(format!("control did not work: this test proves nothing: {why}"))
        })?;
    }
    let until = Instant::now() + Duration::from_secs(12);
    for _ in 0..attack.repeat {
        jailed(attack)?;
        if Instant::now() > until {
            break;
        }
    }
    Ok(())
}

/// Does the attack work where nothing stops it?
pub fn control(attack: &'static Attack) -> Result<(), String> {
    let fixture = Fixture::new(attack, false);
    let outcome = fixture.run(attack);
    // A server of the host may see on a busy machine what was done only when its turn comes.
    let until = Instant::now() + crate::run::patience(3000);
    let effect = attack.effect.map(|effect| {
        loop {
            let seen = effect(&fixture, &outcome);
            if seen.is_some() || Instant::now() > until {
                return seen;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    match (&outcome.verdict, effect) {
        _ if outcome.timed_out => Err("it took too long".into()),
        (_, Some(None)) => Err(format!("the host shows no effect\n{}", outcome.text())),
        (_, Some(Some(_))) if attack.cut_short => Ok(()),
        (Some((kind, _)), _) if kind == "escaped" => Ok(()),
        (Some((kind, _)), Some(Some(_))) if kind == "tried" => Ok(()),
        _ => Err(outcome.text()),
    }
}

/// Is it refused in a jail?
pub fn jailed(attack: &'static Attack) -> Result<(), Failed> {
    held(attack, &Fixture::new(attack, true))
}

/// Is it refused in a jail that is traced?
pub fn traced(attack: &'static Attack) -> Result<(), Failed> {
    let mut fixture = Fixture::new(attack, true);
    fixture.traced = true;
    held(attack, &fixture)
}

fn held(attack: &'static Attack, fixture: &Fixture) -> Result<(), Failed> {
    let outcome = fixture.run(attack);
    let here = tier::of(attack.name);
    if let Some(Here::Refused(word)) = here {
        // On a terminal the two are one.
        let said = outcome.errors.contains(word) || outcome.output.contains(word);
        return if outcome.code == Some(125) && said {
            Ok(())
        } else {
            Err(format!("no longer true: the run is not refused\n{}", outcome.text()).into())
        };
    }
    let effect = attack.effect.and_then(|effect| effect(fixture, &outcome));
    let by_design = match here {
        None => attack.by_design,
        Some(Here::Open(why)) => Some(why),
        Some(Here::Held | Here::Refused(_) | Here::Moot(_)) => None,
    };
    if let Some(why) = by_design {
        let worked = matches!(&outcome.verdict, Some((kind, _)) if kind != "refused");
        return if worked {
            Ok(())
        } else {
            Err(format!("no longer true: {why}\n{}", outcome.text()).into())
        };
    }
    if let Some(effect) = effect {
        return Err(format!("ESCAPE: {}: {effect}\n{}", attack.about, outcome.text()).into());
    }
    if outcome.output.contains(&fixture.secret) || outcome.errors.contains(&fixture.secret) {
        return Err(format!("ESCAPE: the secret is in the output\n{}", outcome.text()).into());
    }
    if outcome.timed_out {
        return Err(format!("it took too long\n{}", outcome.text()).into());
    }
    if attack
        .run_refused
        .is_some_and(|word| outcome.code == Some(125) && outcome.errors.contains(word))
    {
        return Ok(());
    }
    match &outcome.verdict {
        _ if attack.cut_short => Ok(()),
        // What jail asked to end had no time for one.
        None if here == Some(Here::Held) && outcome.code == Some(128 + libc::SIGTERM) => Ok(()),
        Some((kind, _)) if kind == "refused" => Ok(()),
        Some((kind, _)) if kind == "tried" && attack.effect.is_some() => Ok(()),
        Some((_, evidence)) => {
            Err(format!("ESCAPE: {}: {evidence}\n{}", attack.about, outcome.text()).into())
        }
        None => Err(format!("no verdict came out\n{}", outcome.text()).into()),
    }
}

impl Outcome {
    fn text(&self) -> String {
        format!(
            "code {:?}\nstdout: {}\nstderr: {}",
            self.code,
            self.output.trim(),
            self.errors.trim()
        )
    }
}
