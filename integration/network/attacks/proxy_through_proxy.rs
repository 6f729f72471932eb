//! Asks the proxy for a tunnel to the proxy: the inner request comes from the proxy.
//!
//! Stopped by: the doors have no name, and their address is not public.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "proxy_through_proxy",
    about: "the proxy, asked by way of itself",
    attack: |env| {
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for inner in ["169.254.77.1:3128", "[fd6a:6169:6c::1]:3128", "169.254.77.1:1080"] {
            let inside = client::tunnel(inner).and_then(|s| match inner.ends_with(":1080") {
                true => client::exchange(s, &[5, 1, 0]),
                false => client::exchange(s, &client::get_absolute("other.test:80")),
            });
            match inside {
                Ok(bytes) if !bytes.is_empty() => opened.push(inner.to_owned()),
                other => closed.push(format!("{inner}: {other:?}")),
            }
        }
        client::settle(env.jailed, opened, closed)
    },
    effect: Some(|_, _| client::reached_other().or_else(|| world::get().seen.packet_to(world::DOOR))),
    ..BASE
};
