//! Tiny made-up models through the whole conversion.

use std::{collections::HashMap, fs};

use half::f16;
use tempfile::TempDir;

use super::*;

const WIDTH: usize = 32;
const MELS: usize = 4;
const WORDS: usize = 7;
const AUDIO_LAYERS: usize = 2;
const TEXT_LAYERS: usize = 1;

/// A variable's values are its number in the file times 1000 plus their place in it, wrapped so
/// that f16 holds them.
struct Made {
    name: String,
    dims: Vec<usize>,
    kind: u8,
    values: Vec<f32>,
}

#[test]
fn fused_projections_come_apart_in_order() {
    let model = converted(Quantisation::F16);
    let fused = &model.made["encoder/layer_1/self_attention/linear_0/weight"];
    for (part, name) in ["query", "key", "value"].iter().enumerate() {
        let tensor = &model.tensors[&format!("encoder.blocks.1.attn.{name}.weight")];
        assert_eq!(tensor.dims, [WIDTH, WIDTH]);
        let size = WIDTH * WIDTH;
        assert_eq!(tensor.f16s(), fused[part * size..(part + 1) * size]);
    }
    let cross = &model.made["decoder/layer_0/attention/linear_1/weight"];
    let value = &model.tensors["decoder.blocks.0.cross_attn.value.weight"];
    assert_eq!(value.f16s(), cross[WIDTH * WIDTH..]);
    assert!(!model.tensors.contains_key("decoder.blocks.0.attn.key.bias"));
}

#[test]
fn every_tensor_of_the_format_is_there_once() {
    let model = converted(Quantisation::F16);
    assert_eq!(model.tensors.len(), 10 + 15 * AUDIO_LAYERS + 24 * TEXT_LAYERS + 1);
    assert_eq!(model.tensors["encoder.conv1.weight"].dims, [3, MELS, WIDTH]);
    assert_eq!(model.tensors["encoder.conv2.bias"].dims, [1, WIDTH]);
    assert_eq!(model.tensors["encoder.positional_embedding"].kind, 0);
}

#[test]
fn the_header_tells_the_sizes_and_the_words_end_before_the_special_ones() {
    let model = converted(Quantisation::Q8_0);
    let size = |n: usize| i32::try_from(n).unwrap();
    let (width, audio, text) = (size(WIDTH), size(AUDIO_LAYERS), size(TEXT_LAYERS));
    let expected = [size(WORDS), 6, width, 2, audio, 5, width, 2, text, size(MELS), 2007];
    assert_eq!(model.header, expected);
    assert_eq!(model.words, [b"!".to_vec(), b" a".to_vec(), Vec::new()]);
}

#[test]
fn quantised_matrices_take_34_bytes_a_block_and_norms_stay_whole() {
    let model = converted(Quantisation::Q8_0);
    let matrix = &model.tensors["decoder.blocks.0.mlp.0.weight"];
    assert_eq!((matrix.kind, matrix.bytes.len()), (8, 4 * WIDTH * WIDTH / 32 * 34));
    let norm = &model.tensors["decoder.ln.weight"];
    assert_eq!((norm.kind, norm.bytes.len()), (0, WIDTH * 4));
    assert_eq!(model.tensors["encoder.conv1.weight"].kind, 1);
}

#[test]
fn progress_rises_to_the_whole() {
    let (folder, _) = made_folder();
    let mut seen = Vec::new();
    convert(&folder, Quantisation::Bf16, &mut |done, all| seen.push((done, all))).unwrap();
    assert!(seen.is_sorted());
    assert_eq!(seen.first().unwrap().0, 0);
    let (done, all) = *seen.last().unwrap();
    assert_eq!(done, all);
}

#[test]
fn a_file_cut_anywhere_is_refused_and_leaves_nothing_behind() {
    let (folder, _) = made_folder();
    let path = folder.path().join("model.bin");
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(whole.len() / 23) {
        fs::write(&path, &whole[..length]).unwrap();
        let refused = convert(&folder, Quantisation::F16, &mut |_, _| {}).unwrap_err();
        assert!(matches!(refused, WeightsError::Malformed { .. }), "{length}: {refused}");
    }
    assert!(!folder.path().join("ggml.bin").exists() && !folder.path().join("ggml.part").exists());
}

#[test]
fn a_foreign_file_is_refused_with_its_reason() {
    let (folder, _) = made_folder();
    fs::write(folder.path().join("model.bin"), b"GGUF and so on, for a while").unwrap();
    let refused = convert(&folder, Quantisation::F16, &mut |_, _| {}).unwrap_err().to_string();
    assert!(refused.contains("binary version"), "{refused}");
}

#[test]
fn a_model_already_quantised_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = made_variables();
    let quantised = made.iter_mut().find(|v| v.name == "encoder/layer_0/ffn/linear_0/weight");
    quantised.unwrap().kind = 1;
    write_folder(&folder, &made);
    let refused = convert(&folder, Quantisation::F16, &mut |_, _| {}).unwrap_err().to_string();
    assert!(refused.contains("quantised"), "{refused}");
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = convert(&folder, Quantisation::F16, &mut |_, _| {}).unwrap_err().to_string();
    assert!(refused.contains("model.bin"), "{refused}");
}

struct Converted {
    made: HashMap<String, Vec<f32>>,
    header: Vec<i32>,
    words: Vec<Vec<u8>>,
    tensors: HashMap<String, Read>,
}

struct Read {
    kind: i32,
    /// Innermost first, as in the file.
    dims: Vec<usize>,
    bytes: Vec<u8>,
}

impl Read {
    fn f16s(&self) -> Vec<f32> {
        self.bytes.chunks(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
    }
}

fn converted(quantisation: Quantisation) -> Converted {
    let (folder, made) = made_folder();
    convert(&folder, quantisation, &mut |_, _| {}).unwrap();
    let made = made.into_iter().map(|v| (v.name, v.values)).collect();
    read_ggml(&fs::read(folder.path().join("ggml.bin")).unwrap(), made)
}

fn convert(
    folder: &TempDir,
    quantisation: Quantisation,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), WeightsError> {
    convert_whisper(folder.path(), &folder.path().join("ggml.bin"), quantisation, progress)
}

fn read_ggml(bytes: &[u8], made: HashMap<String, Vec<f32>>) -> Converted {
    let mut rest = bytes;
    assert_eq!(int(&mut rest), 0x6767_6d6c);
    let header = (0..11).map(|_| int(&mut rest)).collect();
    let filters = int(&mut rest) * int(&mut rest);
    take(&mut rest, usize::try_from(filters).unwrap() * 4);
    let words = (0..int(&mut rest)).map(|_| {
        let n = count(&mut rest);
        take(&mut rest, n)
    });
    let words = words.collect::<Vec<_>>();
    let mut tensors = HashMap::new();
    while !rest.is_empty() {
        let (rank, name_len, kind) = (count(&mut rest), count(&mut rest), int(&mut rest));
        let dims: Vec<usize> = (0..rank).map(|_| count(&mut rest)).collect();
        let name = String::from_utf8(take(&mut rest, name_len)).unwrap();
        let elements: usize = dims.iter().product();
        let size = match kind {
            0 => elements * 4,
            1 | 30 => elements * 2,
            8 => elements / 32 * 34,
            other => panic!("kind {other}"),
        };
        let read = Read { kind, dims, bytes: take(&mut rest, size) };
        assert!(tensors.insert(name, read).is_none());
    }
    Converted { made, header, words, tensors }
}

fn take(rest: &mut &[u8], n: usize) -> Vec<u8> {
    let (head, tail) = rest.split_at(n);
    *rest = tail;
    head.to_vec()
}

fn int(rest: &mut &[u8]) -> i32 {
    i32::from_le_bytes(take(rest, 4).try_into().unwrap())
}

fn count(rest: &mut &[u8]) -> usize {
    usize::try_from(int(rest)).unwrap()
}

fn made_folder() -> (TempDir, Vec<Made>) {
    let folder = tempfile::tempdir().unwrap();
    let made = made_variables();
    write_folder(&folder, &made);
    (folder, made)
}

fn write_folder(folder: &TempDir, made: &[Made]) {
    let words = "!\n\u{120}a\n\n<|endoftext|>\n<|startoftranscript|>\n<|en|>\n<|zh|>\n";
    fs::write(folder.path().join("vocabulary.txt"), words).unwrap();
    fs::write(folder.path().join("model.bin"), ct2_file(made)).unwrap();
}

fn made_variables() -> Vec<Made> {
    let mut made = Vec::new();
    let mut add = |name: String, dims: &[usize], kind: u8| {
        let first = made.len() * 1000;
        let size: usize = dims.iter().product();
        let value = |i: usize| f32::from(u16::try_from((first + i) % 2000).unwrap());
        let values = if kind == 2 { vec![2.0] } else { (0..size).map(value).collect() };
        made.push(Made { name, dims: dims.to_vec(), kind, values });
    };
    for (side, layers, positions) in [("encoder", AUDIO_LAYERS, 6), ("decoder", TEXT_LAYERS, 5)] {
        add(format!("{side}/num_heads"), &[], 2);
        add(format!("{side}/position_encodings/encodings"), &[positions, WIDTH], 4);
        let mut norms = vec![format!("{side}/layer_norm")];
        for layer in (0..layers).map(|l| format!("{side}/layer_{l}")) {
            let linears = [
                ("self_attention/linear_0", 3 * WIDTH, WIDTH),
                ("self_attention/linear_1", WIDTH, WIDTH),
                ("ffn/linear_0", 4 * WIDTH, WIDTH),
                ("ffn/linear_1", WIDTH, 4 * WIDTH),
                ("attention/linear_0", WIDTH, WIDTH),
                ("attention/linear_1", 2 * WIDTH, WIDTH),
                ("attention/linear_2", WIDTH, WIDTH),
            ];
            let linears = if side == "encoder" { &linears[..4] } else { &linears[..] };
            for (name, rows, columns) in linears {
                add(format!("{layer}/{name}/weight"), &[*rows, *columns], 4);
                add(format!("{layer}/{name}/bias"), &[*rows], 4);
            }
            norms.extend(
                ["self_attention", "ffn", "attention"].map(|n| format!("{layer}/{n}/layer_norm")),
            );
        }
        for norm in norms {
            add(format!("{norm}/gamma"), &[WIDTH], 4);
            add(format!("{norm}/beta"), &[WIDTH], 4);
        }
    }
    add("decoder/embeddings/weight".into(), &[WORDS, WIDTH], 4);
    for (conv, inputs) in [("conv1", MELS), ("conv2", WIDTH)] {
        add(format!("encoder/{conv}/weight"), &[WIDTH, inputs, 3], 4);
        add(format!("encoder/{conv}/bias"), &[WIDTH], 4);
    }
    made
}

fn ct2_file(made: &[Made]) -> Vec<u8> {
    let mut out = Vec::new();
    let string = |out: &mut Vec<u8>, text: &str| {
        out.extend(u16::try_from(text.len() + 1).unwrap().to_le_bytes());
        out.extend(text.as_bytes());
        out.push(0);
    };
    let int = |out: &mut Vec<u8>, n: usize| out.extend(u32::try_from(n).unwrap().to_le_bytes());
    int(&mut out, 6);
    string(&mut out, "WhisperSpec");
    int(&mut out, 3);
    int(&mut out, made.len());
    for variable in made {
        let bytes: Vec<u8> = match variable.kind {
            1 => vec![1; variable.values.len()],
            2 => vec![2, 0],
            _ => variable.values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
        };
        string(&mut out, &variable.name);
        out.push(u8::try_from(variable.dims.len()).unwrap());
        variable.dims.iter().for_each(|&d| int(&mut out, d));
        out.push(variable.kind);
        int(&mut out, bytes.len());
        out.extend(bytes);
    }
    int(&mut out, 1);
    string(&mut out, "decoder/projection/weight");
    string(&mut out, "decoder/embeddings/weight");
    out
}
