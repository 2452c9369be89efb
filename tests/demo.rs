//! The demo, as a newcomer runs it.

use std::process::Command;

#[test]
fn the_demo_holds_what_it_expects() {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sabir"))
        .arg("demo")
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{out}{error}");
    for expected in [
        "  Dubbo ",
        "  Motan2 ",
        "  Thrift (THeader) ",
        "  HTTP/1.1 ",
        "  gRPC ",
        "users, split 50/50",
        "expectations hold",
    ] {
        assert!(out.contains(expected), "{out}");
    }
    let path = out
        .lines()
        .find_map(|line| line.strip_prefix("configuration  "));
    assert!(std::path::Path::new(path.unwrap()).exists(), "{out}");
}
