//! ggml's code for each kind of device, in libraries of its own.

#![expect(unsafe_code, reason = "ggml opens them, by a C function")]

use std::{env, ffi::CString, path::Path};

/// Opens those beside the program. A build for GPUs has them, the CPU's among them; one whose driver
/// is missing is left out. Other builds hold the CPU's code themselves.
pub(crate) fn open() {
    if !cfg!(feature = "cuda") {
        return;
    }
    let program = env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new("."));
    let Ok(folder) = CString::new(folder.as_os_str().as_encoded_bytes()) else { return };
    // SAFETY: the path is ended by a zero and only read.
    unsafe { llama_cpp_sys_2::ggml_backend_load_all_from_path(folder.as_ptr()) };
}
