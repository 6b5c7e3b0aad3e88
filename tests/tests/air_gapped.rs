//! Story: the machine has no network at all, and a call is answered all the same.

use std::{
    path::Path,
    process::{Command, Output},
};

use trunkline_acceptance::program;

/// Run in a network namespace of its own, where nothing but loopback exists.
const SCRIPT: &str = r#"
    ip link set lo up
    "$PROGRAM" serve >server.log 2>&1 &
    server=$!
    trap 'kill $server; wait $server' EXIT
    for _ in $(seq 600); do
        { exec 3<>/dev/tcp/127.0.0.1/18080; } 2>/dev/null &&
            printf 'GET /ready HTTP/1.0\r\n\r\n' >&3 && grep -q ' 200 ' <&3 && break
        kill -0 $server || { cat server.log >&2; exit 1; }
        sleep 0.1
    done
    "$PROGRAM" call --to sip:demo@127.0.0.1:15060 --admin http://127.0.0.1:18080 --json \
        --text "What are your opening hours on Friday?"
"#;

const NAMESPACE: [&str; 2] = ["--map-root-user", "--net"];

/// Whether this machine lets its users have namespaces.
fn has_namespaces() -> bool {
    let up = ["ip", "link", "set", "lo", "up"];
    Command::new("unshare").args(NAMESPACE).args(up).status().is_ok_and(|status| status.success())
}

fn without_network(program: &Path, script: &str) -> Output {
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    Command::new("unshare")
        .args(NAMESPACE)
        .args(["bash", "-c", script])
        .current_dir(dir.path())
        .env("PROGRAM", program)
        .env("TRUNKLINE__SIP__BIND", "127.0.0.1:15060")
        .env("TRUNKLINE__GATEWAY__BIND", "127.0.0.1:18080")
        .env("TRUNKLINE__MODELS__STT", "whisper-tiny.en")
        .env("TRUNKLINE__MODELS__LLM", "qwen2.5-coder-0.5b-instruct")
        .env("TRUNKLINE__MODELS__SLOTS", "4")
        .output()
        .expect("unshare ran before")
}

#[test]
#[ignore = "needs models"]
fn real_call_is_answered_where_there_is_no_network() {
    let Some(program) = program() else { return };
    if !has_namespaces() {
        eprintln!("skipped: no network namespaces on this machine");
        return;
    }
    let output = without_network(&program, SCRIPT);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let heard = report["turns"][0]["heard"].as_str().unwrap_or_default().to_lowercase();
    assert!(heard.contains("opening hours"), "{report:#}");
    assert!(!report["turns"][0]["reply"].as_str().unwrap_or_default().is_empty(), "{report:#}");
}
