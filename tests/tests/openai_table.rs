//! Story: a reader of the documentation learns what the checks of the clients say, and nothing else.

use std::{fs, path::Path};

use trunkline_acceptance::{clients, clients_are_installed, list, table};

const START: &str = "<!-- made by the checks in tests/clients: do not edit -->\n";

#[test]
fn the_table_of_the_documentation_is_that_of_the_checks() {
    if !clients_are_installed() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openai.md");
    let written = fs::read_to_string(&path).unwrap();
    let (prose, _) = written.split_once(START).unwrap();
    let made = format!("{prose}{START}\n{}", table(&list().unwrap()));
    if std::env::var_os("TRUNKLINE_WRITE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    } else {
        let how = "TRUNKLINE_WRITE_DOCS=1 cargo test -p trunkline-acceptance --test openai_table";
        assert!(made == written, "docs/openai.md is stale; write it anew: {how}");
    }
}

#[test]
fn every_story_whose_checks_are_in_the_table_is_run() {
    let tests = include_str!("openai_clients.rs");
    let mut stories = 0;
    for folder in ["python", "node"] {
        for file in fs::read_dir(clients().join(folder)).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            if text.contains("\nrun_story(") || text.contains("\nawait story.run()") {
                let name = path.file_stem().unwrap().to_str().unwrap();
                assert!(tests.contains(&format!("\"{name}\"")), "no test runs {name}");
                stories += 1;
            }
        }
    }
    assert!(stories > 10, "{stories}");
}
