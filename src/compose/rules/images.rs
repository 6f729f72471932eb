//! Which program runs.

use super::{Bench, rules};
use crate::compose::fields::flag;
use crate::compose::node::Node;
use crate::policy::expect::shown;

rules! {
    TAG = "compose.moving-tag", Warning,
        "an image whose tag moves",
        "What runs tomorrow is whatever was pushed by then; nobody has looked at it.";
    DIGEST = "compose.no-digest", Warning,
        "an image without a digest",
        "A tag is a name that its owner, and whoever has taken their account, can give to another image.";
    BUILD = "compose.build-privileges", Error,
        "a build that may more than build",
        "Steps of the build run with the host's network, or without a sandbox.";
    PROVIDER = "compose.provider", Warning,
        "a program of the host is run in the place of a container",
        "`provider` runs a plugin of compose with the rights of whoever types the command.";
}

/// Tags that are another image every week.
const MOVING: &[&str] = &[
    "latest", "main", "master", "edge", "nightly", "dev", "devel", "develop", "stable", "canary",
    "rolling", "head", "trunk", "unstable", "testing", "next",
];

pub(super) fn judge(bench: &mut Bench<'_>) {
    let service = bench.service;
    if let Some(node) = service.find(&["provider"]) {
        bench.find(&PROVIDER, &node.spot, "`provider` is set", "an image in its place");
    }
    build(bench);
    // What is built here is as good as what it is built from.
    if service.find(&["build"]).is_some() || service.find(&["provider"]).is_some() {
        return;
    }
    let Some((image, spot)) = service.text("image").filter(|(image, _)| !image.is_empty()) else {
        let evidence = "neither `image` nor `build`";
        bench.find(&DIGEST, &service.at, evidence, "`image: NAME:VERSION@sha256:DIGEST`");
        return;
    };
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = last.split_once(':').map(|(_, tag)| tag);
    let evidence = format!("image: {}", shown(image, 120));
    let pinned = digest.is_some_and(is_digest);
    let moving = tag.is_none_or(|tag| {
        let word = tag.split(['-', '_']).next().unwrap_or(tag).to_ascii_lowercase();
        tag.is_empty() || MOVING.contains(&word.as_str())
    });
    if moving && !pinned {
        let fix = format!("a version: `{}:1.2.3@sha256:…`", shown(name.trim_end_matches(':'), 80));
        bench.find(&TAG, spot, evidence.clone(), fix);
    }
    if !pinned {
        let fix = "`@sha256:…` after the tag: `docker buildx imagetools inspect IMAGE` prints it";
        bench.find(&DIGEST, spot, evidence, fix);
    }
}

fn is_digest(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64
        && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn build(bench: &mut Bench<'_>) {
    let service = bench.service;
    let Some(build) = service.find(&["build"]) else { return };
    let network = build.get("network").filter(|it| it.text() == Some("host"));
    let entitled = build.get("entitlements").filter(|it| !it.items().is_empty());
    let insecure = build.get("privileged").filter(|it| it.text().and_then(flag) == Some(true));
    for (what, node) in
        [("network: host", network), ("entitlements", entitled), ("privileged", insecure)]
    {
        let Some(node): Option<&Node> = node else { continue };
        let evidence = format!("build: {what}");
        bench.find(&BUILD, &node.spot, evidence, format!("take `{what}` out of `build`"));
    }
}
