//! How a service lives: whether it is well, and what happens when it is not.

use super::{Bench, rules};
use crate::compose::fields::{flag, whole};
use crate::compose::node::Node;
use crate::policy::expect::shown;

rules! {
    HEALTH = "compose.healthcheck", Info,
        "nobody looks whether it is well",
        "A service that hangs is taken for one that works; what depends on it starts too early.";
    RESTARTS = "compose.restart-loop", Warning,
        "it is started again without end",
        "A service that fails at once, or is made to, is started for ever: its logs grow, and a fault that somebody \
         provokes can be provoked as often as it takes.";
}

pub(super) fn judge(bench: &mut Bench<'_>) {
    health(bench);
    restart(bench);
    deployed(bench);
}

fn health(bench: &mut Bench<'_>) {
    let service = bench.service;
    let fix = "`healthcheck: {test: [CMD, …], interval: 30s, timeout: 5s, retries: 3}`";
    let Some(check) = service.find(&["healthcheck"]) else {
        bench.find(&HEALTH, &service.at, "`healthcheck` is not said", fix);
        return;
    };
    let disabled = check.get("disable").filter(|it| it.text().and_then(flag) == Some(true));
    let test = check.get("test");
    let none = test.filter(|it| it.items().first().is_some_and(|it| it.text() == Some("NONE")));
    if let Some(node) = disabled.or(none) {
        bench.find(&HEALTH, &node.spot, "the health check is switched off", fix);
    } else if test.is_none_or(|test| test.items().is_empty()) {
        bench.find(&HEALTH, &check.spot, "`healthcheck` has no `test`", fix);
    }
}

fn restart(bench: &mut Bench<'_>) {
    let service = bench.service;
    let Some((policy, spot)) = service.text("restart") else { return };
    let (word, most) = policy.split_once(':').unwrap_or((policy, ""));
    let bounded = whole(most).is_some_and(|most| most > 0);
    let endless = matches!(word, "always" | "unless-stopped") || word == "on-failure" && !bounded;
    if endless {
        let evidence = format!("restart: {}", shown(policy, 40));
        bench.find(&RESTARTS, spot, evidence, "`restart: on-failure:5`");
    }
}

fn deployed(bench: &mut Bench<'_>) {
    let service = bench.service;
    let Some(policy) = service.find(&["deploy", "restart_policy"]) else { return };
    let text = |name: &str| policy.get(name).and_then(Node::text);
    let bounded = text("max_attempts").and_then(whole).is_some_and(|most| most > 0);
    if text("condition") != Some("none") && !bounded {
        let fix = "`max_attempts: 5` in `deploy.restart_policy`";
        bench.find(&RESTARTS, &policy.spot, "deploy.restart_policy without `max_attempts`", fix);
    }
}
