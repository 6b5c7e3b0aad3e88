//! Story: an operator looks at the models, and gets them from a folder without any network.

use std::fs;

use trunkline_acceptance::run;

#[test]
fn the_list_is_for_people_and_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let Some(listed) = run(&["models", "list", "--json", "--dir", dir]) else { return };
    assert!(listed.status.success(), "{listed:?}");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let models = listed["models"].as_array().unwrap();
    assert!(models.len() >= 10);
    assert!(models.iter().all(|model| model["licence"].as_str().is_some_and(|it| !it.is_empty())));
    let shown = run(&["models", "list", "--dir", dir]).unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().contains("silero-vad"));
}

#[test]
fn what_cannot_be_pulled_says_why_and_what_to_do() {
    let (models, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dir = ["--dir", models.path().to_str().unwrap()];
    let pull = |arguments: &[&str]| run(&[&["models", "pull"], arguments, &dir].concat());
    let Some(unknown) = pull(&["wisper-base"]) else { return };
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(said.contains("did you mean whisper-base"), "{said}");
    assert!(!unknown.status.success());

    let nowhere = pull(&["silero-vad", "--from", empty.path().to_str().unwrap()]).unwrap();
    let said = String::from_utf8(nowhere.stderr).unwrap();
    assert!(said.contains("silero-vad==6.2.3"), "{said}");
    assert_eq!(nowhere.status.code(), Some(66));

    let folder = empty.path().join("silero-vad");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("silero_vad.onnx"), "not a model").unwrap();
    let wrong = pull(&["silero-vad", "--from", empty.path().to_str().unwrap()]).unwrap();
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("11 of 2327524 bytes"), "{said}");
    assert!(!models.path().join("silero-vad/silero_vad.onnx").exists());
}
