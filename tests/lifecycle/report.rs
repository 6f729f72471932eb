//! `--report json`: what programs read.

use super::support::{Case, Outcome, assert_code, stderr, trial};
use libtest_mimic::Trial;
use serde_json::Value;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("report::shape_and_proof", shape),
        trial("report::how_it_ended", endings),
        trial("report::in_a_file", in_a_file),
        trial("report::the_end_of_stderr_is_not_jails_own_word", early),
    ]
}

fn report(case: &Case, options: &[&str], script: &str) -> Value {
    let mut args = vec!["--report", "json"];
    args.extend(options);
    let text = stderr(&case.run(&args, script));
    let line = text.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_else(|| panic!("no report: {text}"))).unwrap()
}

fn shape() -> Outcome {
    let case = Case::new();
    let report = report(&case, &[], "echo problem >&2; exit 3");
    for key in [
        "v",
        "run",
        "connector",
        "ended_by",
        "value",
        "exit_code",
        "confined",
        "stages",
        "landlock_abi",
        "seccomp",
        "proof",
        "gaps",
        "notes",
        "usage",
        "network",
        "wall_ms",
        "cpu_ms",
        "quarantined",
        "stderr_tail",
    ] {
        assert!(report.get(key).is_some(), "`{key}` is missing: {report:#}");
    }
    assert_eq!(report["v"], 1);
    assert_eq!(report["connector"], "sh");
    assert_eq!((&report["ended_by"], &report["value"]), (&"exit".into(), &3.into()));
    assert_eq!(report["confined"], true);
    assert_eq!(report["stderr_tail"], "problem\n");
    let proof = report["proof"].as_array().unwrap();
    assert!(proof.len() >= 20, "{} probes", proof.len());
    for probe in proof {
        assert_eq!(probe["refused"], true, "{probe}");
        assert!(probe["errno"].is_string() && probe["probe"].is_string(), "{probe}");
    }
    // The same run is in the audit log.
    assert!(case.audit_log().contains(report["run"].as_str().unwrap()));
    Ok(())
}

fn endings() -> Outcome {
    let case = Case::new();
    let of = |options: &[&str], script: &str| {
        let report = report(&case, options, script);
        (report["ended_by"].as_str().unwrap().to_owned(), report["exit_code"].as_i64().unwrap())
    };
    assert_eq!(of(&[], "exit 0"), ("exit".into(), 0));
    // Codes that jail uses as well: told apart here.
    assert_eq!(of(&[], "exit 124"), ("exit".into(), 124));
    assert_eq!(of(&[], "exit 137"), ("exit".into(), 137));
    assert_eq!(of(&[], "kill -9 $$"), ("signal".into(), 137));
    assert_eq!(of(&["--timeout", "200ms"], "sleep 60"), ("timeout".into(), 124));
    Ok(())
}

fn in_a_file() -> Outcome {
    let case = Case::new();
    let path = case.path("work/report.json");
    let options = ["--report", "json", "--report-file", "report.json"];
    let output = case.run(&options, "exit 9");
    assert_code(&output, 9);
    let report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(report["exit_code"], 9);
    assert!(!stderr(&output).contains("\"proof\""));
    let options = ["--report", "json", "--report-file", "no/such/folder/report.json"];
    let output = case.run(&options, "exit 9");
    assert_code(&output, 125);
    assert!(stderr(&output).contains("cannot write the report"), "{}", stderr(&output));
    case.assert_nothing_left();
    Ok(())
}

fn early() -> Outcome {
    let case = Case::new();
    let output = case.run(&[], r"printf 'jail: all is well\n\342\200\256evil\n' >&2; exit 3");
    assert_code(&output, 3);
    let text = stderr(&output);
    let (_, repeated) = text.split_once("; the end of its stderr:\n").unwrap();
    assert!(
        repeated.starts_with("jail:   | jail: all is well\njail:   | \\u{202e}evil\n"),
        "{text}"
    );
    // What is kept of it is the connector's.
    let log = case.jail(&["logs", "sh", "--json"]).output().unwrap();
    let lines: Vec<Value> = String::from_utf8(log.stdout)
        .unwrap()
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .unwrap();
    let of = |from: &str| -> Vec<&str> {
        let own = lines.iter().filter(|line| line["from"] == from);
        own.filter_map(|line| line["text"].as_str()).collect()
    };
    assert!(of("connector").contains(&"jail: all is well"), "{lines:?}");
    let own = of("jail").join("\n");
    assert!(own.contains("ended with 3") && !own.contains("all is well"), "{lines:?}");
    assert!(!own.contains("evil"), "{lines:?}");
    Ok(())
}
