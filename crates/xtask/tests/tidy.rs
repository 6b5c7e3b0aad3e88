//! Guards the rules of ARCHITECTURE.md that neither the compiler nor clippy can check.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeMap, fs};

use toml::Value;
use xtask::{CrateManifest, SourceFile, manifest, root};

/// Who may depend on whom, of ours. What is not listed here does not exist yet.
const ARROWS: [(&str, &[&str]); 19] = [
    ("trunkline-audio", &[]),
    ("trunkline-turn", &[]),
    ("trunkline-inference", &["trunkline-audio"]),
    ("trunkline-native", &["trunkline-inference"]),
    ("trunkline-boundary", &[]),
    (
        "trunkline-whisper",
        &["trunkline-inference", "trunkline-audio", "trunkline-boundary", "trunkline-native"],
    ),
    ("trunkline-whisper-module", &["trunkline-boundary"]),
    ("trunkline-candle", &["trunkline-inference", "trunkline-audio", "trunkline-native"]),
    ("trunkline-candle-module", &["trunkline-boundary", "trunkline-candle", "trunkline-native"]),
    ("trunkline-llama", &["trunkline-inference", "trunkline-audio", "trunkline-native"]),
    ("trunkline-onnx", &["trunkline-inference", "trunkline-audio"]),
    ("trunkline-session", &["trunkline-audio", "trunkline-turn", "trunkline-inference"]),
    ("trunkline-telephony", &["trunkline-audio", "trunkline-session", "trunkline-turn"]),
    (
        "trunkline-gateway",
        &["trunkline-audio", "trunkline-inference", "trunkline-session", "trunkline-turn"],
    ),
    (
        "trunkline-testkit",
        &["trunkline-audio", "trunkline-inference", "trunkline-session", "trunkline-turn"],
    ),
    ("trunkline", &ANY),
    ("trunkline-acceptance", &["trunkline-audio", "trunkline-inference"]),
    ("trunkline-benches", &ANY),
    ("xtask", &[]),
];
/// May depend on everything of ours.
const ANY: [&str; 1] = ["*"];
/// Who may have features, and which; the other crates have none.
const FEATURES: [(&str, &[&str]); 6] = [
    ("trunkline", &ANY),
    // cpal links the sound system of the machine, which a server has not.
    ("trunkline-telephony", &["microphone"]),
    ("trunkline-whisper-module", &["cuda"]),
    ("trunkline-candle", &["cuda"]),
    ("trunkline-candle-module", &["cuda"]),
    // The simulations are built without ONNX Runtime.
    ("trunkline-benches", &["voices", "language", "cuda", "recognizer", "recognizer-cuda"]),
];
/// Lines of code a file may have.
const FILE_LINES: usize = 400;
/// Files that may be longer, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];
/// Words that say nothing, as names or as the last word of one.
const EMPTY_WORDS: [&str; 15] = [
    "context",
    "manager",
    "handler",
    "helper",
    "helpers",
    "util",
    "utils",
    "common",
    "core",
    "base",
    "processor",
    "service",
    "data",
    "info",
    "impl",
];

fn crates() -> Vec<CrateManifest> {
    CrateManifest::all(root()).unwrap()
}

fn sources() -> Vec<SourceFile> {
    ["crates", "tests", "benches"]
        .iter()
        .flat_map(|dir| SourceFile::all_below(root(), &root().join(dir)).unwrap())
        .collect()
}

fn none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn the_arrows_between_crates_point_one_way() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let mut violations = Vec::new();
    for member in crates() {
        let Some(allowed) = arrows.get(member.name.as_str()) else {
            violations.push(format!("{} has no arrows in this test", member.name));
            continue;
        };
        let ours =
            member.keys("dependencies").into_iter().filter(|name| name.starts_with("trunkline"));
        for other in ours.filter(|other| *allowed != ANY && !allowed.contains(other)) {
            violations.push(format!("{} may not depend on {other}", member.name));
        }
    }
    none(&violations);
}

#[test]
fn the_pure_crates_know_no_runtime() {
    let mut violations = Vec::new();
    for member in crates() {
        if ["trunkline-audio", "trunkline-turn"].contains(&member.name.as_str()) {
            for banned in ["tokio", "futures", "tracing", "reqwest", "sqlx"] {
                if member.keys("dependencies").contains(&banned) {
                    violations.push(format!("{} is pure and has no use for {banned}", member.name));
                }
            }
            if !root().join(&member.folder).join("clippy.toml").is_file() {
                violations.push(format!("{} needs the clippy.toml of a pure crate", member.name));
            }
        }
    }
    none(&violations);
}

#[test]
fn only_the_binarys_assembly_names_a_backend() {
    let names = ["trunkline_whisper", "trunkline_llama", "trunkline_onnx", "trunkline_candle"];
    let may = ["crates/inference/backends/", "crates/trunkline/src/assemble", "benches/"];
    let mut violations = Vec::new();
    for file in sources().iter().filter(|file| !may.iter().any(|may| file.path.starts_with(may))) {
        let production = if file.is_test() { "" } else { file.production() };
        for name in names.iter().filter(|name| production.contains(&format!("{name}::"))) {
            violations.push(format!("{} names {name}: only assemble does", file.path));
        }
    }
    none(&violations);
}

#[test]
fn only_the_binary_and_the_backends_have_features() {
    let features: BTreeMap<&str, &[&str]> = FEATURES.into_iter().collect();
    let mut violations = Vec::new();
    for member in crates().iter().filter(|member| !member.folder.contains("/backends/")) {
        let allowed = features.get(member.name.as_str()).copied().unwrap_or_default();
        for feature in member.keys("features") {
            if allowed != ANY && !allowed.contains(&feature) {
                violations.push(format!("{} may have no feature {feature}", member.name));
            }
        }
    }
    none(&violations);
}

#[test]
fn every_heavy_dependency_has_one_door() {
    let deny = manifest::read(&root().join("deny.toml")).unwrap();
    let doors = deny["bans"]["deny"].as_array().unwrap();
    let mut violations = Vec::new();
    let mut heavy = 0;
    for door in doors {
        let Some(wrappers) = door.get("wrappers").and_then(Value::as_array) else { continue };
        heavy += 1;
        let name = door["crate"].as_str().unwrap();
        let may = |member: &str| wrappers.iter().any(|wrapper| wrapper.as_str() == Some(member));
        for member in crates() {
            let has = ["dependencies", "dev-dependencies", "build-dependencies"]
                .iter()
                .any(|table| member.keys(table).contains(&name));
            if has && !may(&member.name) {
                violations.push(format!("{name} does not enter through {}", member.name));
            }
        }
    }
    assert!(heavy >= 6, "deny.toml names the doors");
    none(&violations);
}

#[test]
fn versions_and_lints_are_the_workspaces() {
    let mut violations = Vec::new();
    for member in crates() {
        let lints = member.table.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(Value::as_bool) != Some(true) {
            violations.push(format!("{} does not take the workspace's lints", member.name));
        }
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in member.entries(table) {
                if value.get("workspace").and_then(Value::as_bool) != Some(true) {
                    violations.push(format!("{}: {name} needs `workspace = true`", member.name));
                }
            }
        }
    }
    none(&violations);
}

#[test]
fn files_lie_beside_their_folders_and_open_with_a_sentence() {
    let mut violations = Vec::new();
    for file in sources() {
        if file.path.ends_with("/mod.rs") {
            violations.push(format!("{}: foo.rs lies beside foo/", file.path));
        }
        let first = file.text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") {
            violations.push(format!("{} does not say first what it is for", file.path));
        }
    }
    none(&violations);
}

#[test]
fn files_are_short_enough_to_be_read() {
    let mut violations = Vec::new();
    for file in sources().iter().filter(|file| !file.is_test()) {
        let (lines, excused) =
            (file.code_lines(), LONG_FILES.iter().any(|(path, _)| *path == file.path));
        if lines > FILE_LINES && !excused {
            violations.push(format!("{} has {lines} lines of code: cut it in two", file.path));
        }
        if lines <= FILE_LINES && excused {
            violations.push(format!("{} needs no excuse any more", file.path));
        }
    }
    none(&violations);
}

#[test]
fn names_say_something() {
    let mut violations = Vec::new();
    for file in sources() {
        for name in declared_names(&file.text) {
            if EMPTY_WORDS.contains(&last_word(name).as_str()) {
                violations.push(format!("{}: the name {name} says nothing", file.path));
            }
        }
    }
    none(&violations);
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    let banned = ["#[", "#![", "#[cfg_attr(test, "].map(|open| format!("{open}allow("));
    let mut violations = Vec::new();
    for file in sources() {
        for (number, line) in file.text.lines().enumerate() {
            if banned.iter().any(|banned| line.trim_start().starts_with(banned.as_str())) {
                violations.push(format!("{}:{}: expect it with a reason", file.path, number + 1));
            }
        }
    }
    none(&violations);
}

#[test]
fn the_commands_of_the_readme_exist() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    for goal in ["demo", "test"] {
        assert!(readme.contains(&format!("make {goal}")), "README.md does not tell of {goal}");
        assert!(makefile.contains(&format!("\n{goal}:")), "the Makefile has no {goal}");
    }
    for script in makefile.split_whitespace().filter_map(|word| word.strip_prefix('@')) {
        assert!(root().join(script).is_file(), "{script}, which the Makefile calls, is not there");
    }
}

#[test]
fn the_last_word_of_a_name_is_found() {
    for (name, word) in [
        ("CallManager", "manager"),
        ("DataDir", "dir"),
        ("call_info", "info"),
        ("Metadata", "metadata"),
        ("util", "util"),
    ] {
        assert_eq!(last_word(name), word);
    }
}

/// The names of the types and modules that a text declares. What is indented and a `type` is named by
/// the trait that it is for.
fn declared_names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for line in text.lines() {
        if line.starts_with("    type ") {
            continue;
        }
        let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
        if matches!(words.next(), Some("struct" | "enum" | "trait" | "mod" | "type")) {
            let name = words.next().unwrap_or_default();
            names.push(name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
        }
    }
    names
}

/// The last word of a name in camel or snake case, in lower case.
fn last_word(name: &str) -> String {
    let last = name.rsplit('_').next().unwrap_or_default();
    let start = last.rfind(char::is_uppercase).unwrap_or(0);
    last.split_at(start).1.to_lowercase()
}
