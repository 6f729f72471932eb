use super::*;

fn tcp() -> Connection {
    Connection::Tcp { at: "127.0.0.1:7777".parse().unwrap() }
}

fn unix() -> Connection {
    Connection::Unix(Peer { uid: 0, pid: 1 })
}

fn asked(connection: Connection, method: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = Request::builder().method(method).uri("/v1/runs");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(connection);
    check(&request).map_or_else(|problem| problem.status().as_u16(), |()| 200)
}

#[test]
fn only_our_own_names_with_our_own_port_are_us() {
    for host in
        ["127.0.0.1:7777", "localhost:7777", "[::1]:7777", "LocalHost:7777", "jail.localhost:7777"]
    {
        assert_eq!(asked(tcp(), "GET", &[("host", host)]), 200, "{host}");
    }
    let foreign = [
        "evil.example:7777",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:77777",
        "127.0.0.1.evil.example:7777",
        "evil.localhost:7777",
        "localhost:7777.evil.example",
        "",
    ];
    for host in foreign {
        assert_eq!(asked(tcp(), "GET", &[("host", host)]), 421, "{host}");
    }
    assert_eq!(asked(tcp(), "GET", &[]), 400);
    assert_eq!(asked(tcp(), "GET", &[("host", "localhost:7777"), ("host", "x")]), 400);
    assert_eq!(asked(unix(), "GET", &[("host", "localhost")]), 200);
    assert_eq!(asked(unix(), "GET", &[("host", "evil.example")]), 421);
}

#[test]
fn the_port_may_be_left_out_where_it_is_the_one_of_http() {
    let at = Connection::Tcp { at: "127.0.0.1:80".parse().unwrap() };
    assert_eq!(asked(at, "GET", &[("host", "127.0.0.1")]), 200);
}

#[test]
fn another_host_in_the_request_line_is_refused() {
    let request = Request::builder().uri("http://evil.example/").header("host", "localhost:7777");
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(tcp());
    assert_eq!(check(&request).unwrap_err().status(), 400);
}

#[test]
fn pages_of_others_are_refused() {
    let host = ("host", "127.0.0.1:7777");
    let with = |name, value| asked(tcp(), "GET", &[host, (name, value)]);
    assert_eq!(with("origin", "http://127.0.0.1:7777"), 200);
    for origin in [
        "null",
        "http://evil.example",
        "http://127.0.0.1:3000",
        "https://127.0.0.1:7777",
        "http://localhost:7777",
        "http://127.0.0.1:7777/",
        "",
    ] {
        assert_eq!(with("origin", origin), 403, "{origin}");
    }
    assert_eq!(with("sec-fetch-site", "same-origin"), 200);
    assert_eq!(with("sec-fetch-site", "none"), 200);
    for site in ["same-site", "cross-site", "else"] {
        assert_eq!(with("sec-fetch-site", site), 403, "{site}");
    }
    let unix = asked(unix(), "GET", &[("host", "localhost"), ("origin", "http://localhost")]);
    assert_eq!(unix, 403, "no browser reaches a unix socket");
}

#[test]
fn a_body_has_to_be_json_and_of_our_own_pages_may_be_a_form() {
    let host = ("host", "127.0.0.1:7777");
    let own = ("origin", "http://127.0.0.1:7777");
    let some = ("content-length", "2");
    let json = ("content-type", "application/json; charset=utf-8");
    let form = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(asked(tcp(), "POST", &[host, some, json]), 200);
    assert_eq!(asked(tcp(), "POST", &[host, some, form]), 415);
    assert_eq!(asked(tcp(), "POST", &[host, some, form, own]), 200);
    assert_eq!(asked(tcp(), "POST", &[host, some]), 415);
    assert_eq!(asked(tcp(), "POST", &[host, ("transfer-encoding", "chunked")]), 415);
    assert_eq!(asked(tcp(), "POST", &[host, some, ("content-type", "text/plain")]), 415);
    assert_eq!(asked(tcp(), "DELETE", &[host]), 200);
    assert_eq!(asked(tcp(), "POST", &[host, json, ("content-length", "65537")]), 413);
    assert_eq!(asked(tcp(), "POST", &[host, json, ("content-length", "65536")]), 200);
}
