//! Modules found and opened.

use std::{
    env,
    ffi::c_void,
    path::{Path, PathBuf},
};

use libloading::Library;

/// Why a module cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(pub String);

/// Looks for a module beside the program, in `../lib/trunkline/`, in `deps/` and one folder up, in this
/// order. The failure tells the places.
pub fn find(file_name: &str) -> Result<PathBuf, Unusable> {
    first_of(&places(file_name), file_name)
}

fn places(file_name: &str) -> Vec<PathBuf> {
    let exe = env::current_exe().unwrap_or_default();
    let beside = exe.parent().unwrap_or(Path::new(".")).to_owned();
    let folders =
        [beside.clone(), beside.join("../lib/trunkline"), beside.join("deps"), beside.join("..")];
    folders.into_iter().map(|folder| folder.join(file_name)).collect()
}

fn first_of(places: &[PathBuf], file_name: &str) -> Result<PathBuf, Unusable> {
    places.iter().find(|place| place.is_file()).cloned().ok_or_else(|| {
        let looked: Vec<_> = places.iter().map(|p| p.display().to_string()).collect();
        let looked = looked.join(", ");
        Unusable(format!("{file_name} is not beside the program: build it (looked at {looked})"))
    })
}

/// Opens a module and gives its table of functions, which is there until the process ends: unloading code
/// that left threads behind is not worth the memory.
///
/// # Safety
/// The file is a module of ours: where it exports `symbol`, that is a C function without arguments which
/// gives a table that begins with a `u32`, and is an `F` when that is `version`.
pub unsafe fn table<F>(path: &Path, symbol: &str, version: u32) -> Result<&'static F, Unusable> {
    let unusable = |reason: &str| {
        let path = path.display();
        Unusable(format!("the module {path} cannot be used: {reason}; build it with this program"))
    };
    // SAFETY: as this function asks; loading it runs no code but its libraries' own initialisers.
    let library = unsafe { Library::new(path) }.map_err(|e| unusable(&e.to_string()))?;
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: as this function asks.
    let table =
        unsafe { library.get::<unsafe extern "C" fn() -> *const c_void>(symbol.as_bytes()) };
    // SAFETY: as this function asks.
    let functions = unsafe { table.map_err(|e| unusable(&e.to_string()))?() };
    // SAFETY: every version's table begins with a u32.
    let its = unsafe { functions.cast::<u32>().as_ref() }.copied();
    if its != Some(version) {
        return Err(unusable(&format!("it speaks version {its:?}, this program {version}")));
    }
    // SAFETY: the same version is the same layout, and the library is never unloaded.
    Ok(unsafe { &*functions.cast::<F>() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FILE_NAME: &str = "libmodule.so";

    #[test]
    fn the_first_place_that_has_the_module_wins() {
        let folder = tempfile::tempdir().unwrap();
        let places: Vec<_> = ["a", "b", "c"].map(|n| folder.path().join(n)).to_vec();
        fs::write(&places[1], "").unwrap();
        fs::write(&places[2], "").unwrap();
        assert_eq!(first_of(&places, FILE_NAME).unwrap(), places[1]);
    }

    #[test]
    fn a_missing_module_says_where_it_was_looked_for_and_what_to_do() {
        let said = first_of(&["/no/where.so".into()], FILE_NAME).unwrap_err().0;
        assert!(said.contains("/no/where.so") && said.contains("build"), "{said}");
    }

    #[test]
    fn the_program_s_own_folder_comes_first() {
        let exe = env::current_exe().unwrap();
        assert_eq!(places(FILE_NAME)[0].parent(), exe.parent());
    }

    #[test]
    fn a_library_that_is_none_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "not a library").unwrap();
        // SAFETY: it exports nothing.
        let said = unsafe { table::<u32>(&path, "none", 1) }.unwrap_err().0;
        assert!(said.contains(FILE_NAME), "{said}");
    }
}
