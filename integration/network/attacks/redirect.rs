//! Follows redirects of an allowed host: to an unlisted one, to the loopback, to the metadata service.
//!
//! Stopped by: a redirect is one more request, and decided as such.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "redirect",
    about: "an allowed host redirects to the metadata service",
    attack: |env| {
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for goal in ["169.254.169.254:80", "127.0.0.1:8080", "other.test:80"] {
            let ask = format!(
                "GET http://allowed.test/to?http://{goal}/redirected HTTP/1.1\r\n\
                 Host: allowed.test\r\nConnection: close\r\n\r\n"
            );
            let answer = client::http_door(ask.as_bytes()).unwrap_or_default();
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let location = answer.lines().find_map(|line| line.strip_prefix("Location: http://"));
            let Some((authority, _)) = location.and_then(|url| url.split_once('/')) else {
                return Verdict::Tried(format!("no redirect came: {answer}"));
            };
            match judge_reply(client::http_door(&client::get_absolute(authority))) {
                Verdict::Refused(why) => closed.push(format!("{goal}: {why}")),
                _ => opened.push(goal.to_owned()),
            }
        }
        client::settle(env.jailed, opened, closed)
    },
    effect: Some(|_, _| {
        let seen = &world::get().seen;
        seen.packet_to(world::METADATA).or_else(|| seen.packet_to(OTHER))
    }),
    ..BASE
};
