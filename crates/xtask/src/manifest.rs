//! One crate's Cargo.toml.

use std::{fs, io, path::Path};

use toml::{Table, Value};

/// A crate of the workspace, as its manifest has it.
#[derive(Clone, Debug)]
pub struct CrateManifest {
    /// The package's name.
    pub name: String,
    /// The crate's folder below the root.
    pub folder: String,
    /// The whole manifest.
    pub table: Table,
}

impl CrateManifest {
    /// The manifests of all members of the workspace in `root`.
    pub fn all(root: &Path) -> io::Result<Vec<Self>> {
        let mut manifests = Vec::new();
        for member in members(&read(&root.join("Cargo.toml"))?) {
            let folders = match member.strip_suffix("/*") {
                Some(parent) => folders_of(&root.join(parent))?,
                None => vec![root.join(&member)],
            };
            for folder in folders {
                let path = folder.join("Cargo.toml");
                if !path.is_file() {
                    continue;
                }
                let table = read(&path)?;
                let name = table.get("package").and_then(|package| package.get("name"));
                let name = name.and_then(Value::as_str).unwrap_or_default().to_owned();
                let folder = folder.strip_prefix(root).unwrap_or(&folder);
                manifests.push(Self { name, folder: folder.to_string_lossy().into_owned(), table });
            }
        }
        Ok(manifests)
    }

    /// The names in one of its tables, such as `dependencies`.
    pub fn keys(&self, table: &str) -> Vec<&str> {
        self.entries(table).map(|(name, _)| name).collect()
    }

    /// The entries of one of its tables.
    pub fn entries(&self, table: &str) -> impl Iterator<Item = (&str, &Value)> {
        let table = self.table.get(table).and_then(Value::as_table);
        table.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }
}

/// Reads a TOML file.
pub fn read(path: &Path) -> io::Result<Table> {
    let text = fs::read_to_string(path)?;
    text.parse().map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

fn members(workspace: &Table) -> Vec<String> {
    let members = workspace.get("workspace").and_then(|workspace| workspace.get("members"));
    let members = members.and_then(Value::as_array).into_iter().flatten();
    members.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn folders_of(parent: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut folders: Vec<_> =
        fs::read_dir(parent)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    folders.sort();
    Ok(folders)
}
