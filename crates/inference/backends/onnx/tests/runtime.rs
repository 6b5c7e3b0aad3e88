//! What a wrong runtime library leads to. In a process of its own, for a process has one runtime.

use std::path::Path;

use trunkline_inference::ModelError;
use trunkline_onnx::Runtime;

#[test]
fn a_missing_library_is_named() {
    let error = Runtime::load(Path::new("/nowhere/libonnxruntime.so")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/libonnxruntime.so is missing"), "{error}");
}

#[test]
fn a_file_that_is_no_library_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libonnxruntime.so");
    std::fs::write(&path, "not a library").unwrap();
    let error = Runtime::load(&path).unwrap_err();
    assert!(matches!(error, ModelError::Corrupt { .. }), "{error}");
}
