//! `trunkline keys new`: a key for a program or an operator, and what the config file holds of it.

use std::fmt::Write as _;

use rand::{TryRng, rngs::SysRng};
use serde_json::json;
use trunkline_gateway::KeyDigest;

use crate::exit::Failure;

/// 256 bits: nobody guesses it, so that a plain SHA-256 is enough to keep.
const BYTES: usize = 32;

#[derive(Debug, clap::Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, clap::Subcommand)]
enum KeysCommand {
    /// Make a key. It is shown this once; the config file keeps its SHA-256.
    New {
        /// For operators (`/admin`, `/metrics`) instead of programs (`/v1`).
        #[arg(long)]
        admin: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A key and where the config file has its digest.
#[derive(Debug)]
struct NewKey {
    key: String,
    digest: String,
    section: &'static str,
    field: &'static str,
}

#[expect(clippy::print_stdout, reason = "the command's result")]
pub(crate) fn run(args: &KeysArgs) -> Result<(), Failure> {
    let KeysCommand::New { admin, json: as_json } = args.command;
    let mut secret = [0; BYTES];
    SysRng.try_fill_bytes(&mut secret).map_err(Failure::new)?;
    let NewKey { key, digest, section, field } = NewKey::of(&secret, admin);
    if as_json {
        println!("{}", json!({ "key": key, "sha256": digest, "section": section, "field": field }));
        return Ok(());
    }
    println!("key (shown only here):  {key}");
    println!("in the config file:\n");
    println!("[{section}]\n{field} = [\"{digest}\"]");
    Ok(())
}

impl NewKey {
    fn of(secret: &[u8; BYTES], admin: bool) -> Self {
        let (prefix, section, field) = if admin {
            ("tk-admin-", "gateway", "admin_key_sha256")
        } else {
            ("sk-tk-", "api", "key_sha256")
        };
        let key = format!("{prefix}{}", hex(secret));
        let digest = KeyDigest::of(&key).to_string();
        Self { key, digest, section, field }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_what_the_config_file_keeps() {
        let NewKey { key, digest, section, field } = NewKey::of(&[7; BYTES], false);
        assert_eq!((section, field, key.len()), ("api", "key_sha256", 6 + 64));
        let kept = KeyDigest::try_from(digest).unwrap();
        assert!(kept.matches(&KeyDigest::of(&key)));
        assert!(!kept.matches(&KeyDigest::of(&NewKey::of(&[8; BYTES], false).key)));
    }

    #[test]
    fn keys_of_operators_look_different() {
        let key = NewKey::of(&[0; BYTES], true);
        assert!(key.key.starts_with("tk-admin-") && key.section == "gateway");
    }
}
