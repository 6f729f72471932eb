use super::*;

fn all<T: FromStr<Err = Malformed> + PartialEq + std::fmt::Debug>(
    right: &[(&str, T)],
    wrong: &[&str],
) {
    for (text, value) in right {
        assert_eq!(text.parse::<T>().as_ref(), Ok(value), "{text:?}");
    }
    for text in wrong {
        assert!(text.parse::<T>().is_err(), "{text:?} was accepted");
    }
}

#[test]
fn sizes() {
    let right = [
        ("1", Bytes(1)),
        ("512M", Bytes(512 << 20)),
        ("64MiB", Bytes(64 << 20)),
        ("1G", Bytes(1 << 30)),
        ("2KiB", Bytes(2048)),
        ("007K", Bytes(7 << 10)),
        ("8589934591G", Bytes(8_589_934_591 << 30)),
        ("9223372036854775807", Bytes(i64::MAX as u64)),
    ];
    let wrong = [
        "",
        "0",
        "0M",
        "M",
        "-1",
        "+1",
        "1.5G",
        "1 G",
        "1m",
        "1MB",
        "1T",
        "1e9",
        "0x10",
        "1_000",
        "１",
        "1G ",
        "9223372036854775808",
        "8589934592G",
        "18446744073709551616",
        "inf",
    ];
    all(&right, &wrong);
}

#[test]
fn times() {
    let right = [
        ("500ms", Period(Duration::from_millis(500))),
        ("30s", Period(Duration::from_secs(30))),
        ("2m", Period(Duration::from_secs(120))),
        ("1h", Period(Duration::from_secs(3600))),
        ("8784h", Period(Duration::from_millis(YEAR_MS))),
    ];
    let wrong = [
        "",
        "0s",
        "0",
        "30",
        "1d",
        "-1s",
        "1.5s",
        "1 s",
        "1S",
        "s",
        "8785h",
        "1h30m",
        "18446744073709551615h",
    ];
    all(&right, &wrong);
    all(
        &[("never", EofGrace(None)), ("10s", EofGrace(Some(Duration::from_secs(10))))],
        &["", "0s", "Never", "always", "10"],
    );
}

#[test]
fn shares_of_processors() {
    let right = [
        ("1", Cpus(1000)),
        ("0.5", Cpus(500)),
        ("1.25", Cpus(1250)),
        ("0.001", Cpus(1)),
        ("4096", Cpus(4_096_000)),
        ("1.050", Cpus(1050)),
    ];
    let wrong = [
        "", "0", "0.0", "0.0001", "1.", ".5", "-1", "+1", "1e3", "4096.001", "99999", "1.2.3",
        "nan", ".inf", "1,5",
    ];
    all(&right, &wrong);
}

#[test]
fn hosts_with_ports() {
    assert_eq!(endpoint("API.example.com").unwrap().to_string(), "api.example.com");
    let error = endpoint("https://a.example/x").unwrap_err();
    assert_eq!(error.meant.as_deref(), Some("a.example"));
    assert!(
        error.to_string().ends_with("found `https://a.example/x`: a rule names hosts, not URLs")
    );
    for text in ["", "127.1", "*.com", "a:0"] {
        assert!(endpoint(text).is_err(), "{text:?} was accepted");
    }
}

#[test]
fn published_ports() {
    let grant = |listen, publish: &str| PortGrant { listen, publish: publish.parse().ok() };
    all(
        &[
            ("3000", grant(3000, "127.0.0.1:3000")),
            ("8080:3000", grant(3000, "127.0.0.1:8080")),
            ("127.0.0.2:8080:3000", grant(3000, "127.0.0.2:8080")),
            ("[::1]:8080:3000", grant(3000, "[::1]:8080")),
        ],
        &[
            "",
            ":",
            "0",
            "0:1",
            "1:0",
            "3000:",
            ":3000",
            "0.0.0.0:1:1",
            "10.0.0.1:1:1",
            "localhost:1:1",
            "::1:1:1",
        ],
    );
}

#[test]
fn names_and_tools() {
    let name = |text: &str| ConnectorName(text.to_owned());
    let right = [("github", name("github")), ("0-a_b.c", name("0-a_b.c"))];
    let long = "a".repeat(65);
    all(&right, &["", ".", "..", "-a", "_a", ".a", "A", "a/b", "a b", "é", "a\n", &long]);
    let tool = |text: &str| ToolId(text.to_owned());
    let right =
        [("cloned.mcp.web.search@v1", tool("cloned.mcp.web.search@v1")), ("a@v12", tool("a@v12"))];
    all(
        &right,
        &["", "a", "a@", "a@1", "a@v", "a@v1.2", "@v1", "a.@v1", ".a@v1", "A@v1", "a@v1@v2"],
    );
}

#[test]
fn filters_and_words() {
    all(
        &[
            ("default", SeccompChoice::BuiltIn("default".into())),
            ("./a.json", SeccompChoice::File("./a.json".into())),
        ],
        &["", "Default", "a.json", "a b"],
    );
    all(&[("usr", SystemTree::Usr)], &["", "USR", "all"]);
    all(&[("none", Backend::None)], &["", "None", "docker"]);
    for control in Control::ALL {
        assert_eq!(control.name().parse(), Ok(*control));
    }
}

#[test]
fn counts_ports_and_addresses() {
    assert_eq!(count("64", &PIDS), Ok(64));
    for text in ["", "0", "-1", "+1", "4194305", "99999999999", "1.0", "0x10"] {
        assert!(count(text, &PIDS).is_err(), "{text:?} was accepted");
    }
    assert_eq!(loopback("127.0.0.1:3000").map(|it| it.port()), Ok(3000));
    assert!(loopback("[::1]:1").is_ok() && loopback("127.8.8.8:1").is_ok());
    for text in [
        "127.0.0.1",
        "127.0.0.1:0",
        "0.0.0.0:1",
        "10.0.0.1:1",
        "[::]:1",
        "localhost:1",
        "[::ffff:127.0.0.1]:1",
    ] {
        assert!(loopback(text).is_err(), "{text:?} was accepted");
    }
}

#[test]
fn names_of_commands() {
    for (program, name) in [
        ("/usr/bin/npx", "npx"),
        ("./My Server.PY", "my-server.py"),
        ("_start", "start"),
        ("---", "command"),
        ("..", "command"),
        ("é", "command"),
    ] {
        let made = ConnectorName::of_command(program.as_ref());
        assert_eq!(made.as_str(), name);
        assert!(made.as_str().parse::<ConnectorName>().is_ok());
    }
}
