//! Rewrites a CTranslate2 Whisper folder as whisper.cpp's model file:
//! `convert_whisper FOLDER OUT [f16|bf16|q8_0]`.

#![expect(clippy::print_stdout, reason = "an example talks to its caller")]

use std::{error::Error, path::Path};

use trunkline_inference::weights::{Quantisation, convert_whisper};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, out, rest @ ..] = args.as_slice() else {
        return Err("give a folder and a file".into());
    };
    let quantisation = match rest.first().map(String::as_str) {
        None | Some("f16") => Quantisation::F16,
        Some("bf16") => Quantisation::Bf16,
        Some("q8_0") => Quantisation::Q8_0,
        Some(other) => return Err(format!("{other} is none of f16, bf16, q8_0").into()),
    };
    convert_whisper(Path::new(folder), Path::new(out), quantisation, &mut |_, _| {})?;
    println!("{out}");
    Ok(())
}
