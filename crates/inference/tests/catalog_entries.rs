//! The catalog as people write it: what is built in, what is refused, and how names are found.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use trunkline_inference::catalog::{Catalog, CatalogError, EngineKind, ModelFile};

const MODEL: &str = r#"
hub = "https://hub.example"
[sets]
all = ["voice"]
[[model]]
name = "voice"
engine = "piper"
licence = "MIT"
[[model.file]]
name = "voice.onnx"
sources = [{ url = "https://example.org/voice.onnx" }]
"#;

/// Every one of `changes` made to [`MODEL`] must be refused with a sentence that has its last part.
fn refused(changes: &[(&str, &str, &str)]) {
    for (from, to, reason) in changes {
        assert!(MODEL.contains(from), "{from}");
        let error = Catalog::parse(&MODEL.replace(from, to)).unwrap_err();
        assert!(matches!(error, CatalogError::Malformed { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{to}: {error}");
    }
}

#[test]
fn the_built_in_catalog_has_the_sets_that_people_are_told_of() {
    let catalog = Catalog::built_in();
    for (set, engines) in [("starter", 9), ("tiny", 8), ("a100", 8)] {
        let models = catalog.select(&[set]).unwrap();
        assert_eq!(models.len(), engines, "{set}");
        for kind in [EngineKind::Whisper, EngineKind::Llama, EngineKind::Silero, EngineKind::Minilm]
        {
            assert!(models.iter().any(|model| model.engine == kind), "{set}: {kind:?}");
        }
    }
}

#[test]
fn what_tests_and_the_demo_use_is_pinned() {
    let catalog = Catalog::built_in();
    for model in catalog.select(&["starter", "tiny"]).unwrap() {
        for file in &model.files {
            let items = match file {
                ModelFile::Fetched(item) => std::slice::from_ref(item),
                ModelFile::Converted(recipe) => &recipe.inputs,
            };
            for item in items {
                assert!(item.sha256.is_some() && item.bytes.is_some(), "{}", item.name);
            }
        }
    }
}

#[test]
fn kokoro_brings_its_voices_also_where_it_borrows_them() {
    let catalog = Catalog::built_in();
    for name in ["kokoro-82m", "kokoro-82m-fp16"] {
        let files = &catalog.model(name).unwrap().files;
        let voices = files.iter().filter(|file| file.name().starts_with("voices/")).count();
        assert_eq!(voices, 54, "{name}");
    }
}

#[test]
fn names_are_models_or_sets_and_each_model_comes_once() {
    let catalog = Catalog::built_in();
    let models = catalog.select(&["silero-vad", "tiny", "whisper-base"]).unwrap();
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!((names[0], names.len(), *names.last().unwrap()), ("silero-vad", 9, "whisper-base"));
}

#[test]
fn an_unknown_name_is_answered_with_those_like_it() {
    let catalog = Catalog::built_in();
    let error = catalog.select(&["wisper-base"]).unwrap_err();
    let CatalogError::UnknownName { near, .. } = &error else { panic!("{error}") };
    assert_eq!(near[0], "whisper-base");
    assert!(error.to_string().contains("did you mean whisper-base"), "{error}");
    let error = catalog.select(&["zzz"]).unwrap_err();
    assert!(error.to_string().contains("models list"), "{error}");
    assert!(!error.to_string().contains("did you mean"), "{error}");
}

#[test]
fn a_model_without_a_licence_is_refused_by_name() {
    for licence in ["", "licence = \" \"\n"] {
        let error = Catalog::parse(&MODEL.replace("licence = \"MIT\"\n", licence)).unwrap_err();
        assert!(matches!(error, CatalogError::MissingLicence { .. }), "{error}");
        assert!(error.to_string().contains("voice"), "{error}");
    }
}

#[test]
fn names_cannot_lead_out_of_the_models_folder() {
    let reason = "must be a plain path";
    refused(&[
        ("name = \"voice.onnx\"", "name = \"../voice.onnx\"", reason),
        ("name = \"voice.onnx\"", "name = \"/etc/passwd\"", reason),
        ("name = \"voice.onnx\"", "name = \".trunkline.json\"", reason),
        ("name = \"voice.onnx\"", "name = \"\"", reason),
        ("name = \"voice\"\n", "name = \"..\"\n", reason),
    ]);
}

#[test]
fn nothing_that_a_program_takes_for_an_option_passes_for_a_package() {
    let url = "{ url = \"https://example.org/voice.onnx\" }";
    refused(&[
        (url, "{ pip = \"--index==1\", member = \"a\" }", "not a package's name"),
        (url, "{ pip = \"a b==1\", member = \"a\" }", "not a package's name"),
        (url, "{ pip = \"voice\", member = \"a\" }", "name==version"),
        (url, "{ npm = \"voice\", member = \"a\" }", "name@version"),
        (url, "{ pip = \"voice==1\" }", "and a member"),
        (url, "{ pip = \"voice==1\", member = \"a\", url = \"b\" }", "exactly one of"),
        (url, "{ hub = \"a/b\" }", "needs the file's `path`"),
    ]);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let source = "sources = [{ url = \"https://example.org/voice.onnx\" }]";
    let twice = format!("{source}\n[[model.file]]\nname = \"voice.onnx\"\n{source}");
    let converted = format!("convert = \"gold\"\n{source}");
    let short = format!("sha256 = \"abc\"\n{source}");
    let unsized_pin = format!("sha256 = \"{}\"\n{source}", "a".repeat(64));
    refused(&[
        ("all = [\"voice\"]", "all = [\"vioce\"]", "set all names the unknown model vioce"),
        ("engine = \"piper\"", "engine = \"pipes\"", "unknown variant"),
        ("engine = \"piper\"", "engine = \"piper\"\ncolour = 1", "unknown field"),
        (source, "", "has no source"),
        (source, &twice, "two files called voice.onnx"),
        (source, &converted, "is no conversion"),
        (source, &short, "64 hexadecimal digits"),
        (source, &unsized_pin, "not its `bytes`"),
    ]);
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = MODEL
        .replace("all = [\"voice\"]", "all = [\"vioce\"]")
        .replace("name = \"voice.onnx\"", "name = \"../v\"");
    let error = Catalog::parse(&text).unwrap_err();
    let CatalogError::Malformed { problems } = &error else { panic!("{error}") };
    assert_eq!(problems.len(), 2, "{error}");
}

#[test]
fn another_processors_files_are_left_out() {
    let onnxruntime = Catalog::built_in().model("onnxruntime").cloned();
    if ["x86_64", "aarch64"].contains(&std::env::consts::ARCH) {
        assert_eq!(onnxruntime.unwrap().files.len(), 1);
    }
}
