//! Checkpoints as `torch.save` wrote them before version 1.6: four pickles, then the numbers.

use std::{
    collections::HashMap,
    io::{Read, Seek},
};

use candle_core::{
    DType, Device, Error, Result, Tensor, bail,
    pickle::{Object, Stack, TensorInfo},
};

/// The first two pickles of every such file: a magic number, and version 1001 of the protocol.
const BEGINNING: [u8; 21] = [
    0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e, 0x80,
    0x02, 0x4d, 0xe9, 0x03, 0x2e,
];

/// Reads the tensors of 32-bit numbers below `key`. Nothing in the file is executed.
pub(crate) fn read(
    file: &mut (impl std::io::BufRead + Seek),
    key: &str,
) -> Result<HashMap<String, Tensor>> {
    let mut beginning = [0; BEGINNING.len()];
    file.read_exact(&mut beginning)?;
    if beginning != BEGINNING {
        bail!("no checkpoint of this kind");
    }
    pickle(file)?;
    let tensors = tensors(pickle(file)?, key)?;
    let Object::List(names) = pickle(file)? else { bail!("no list of storages") };
    let storages = storages(file, names)?;
    tensors.into_iter().map(|tensor| build(tensor, &storages)).collect()
}

fn pickle(file: &mut impl std::io::BufRead) -> Result<Object> {
    let mut stack = Stack::empty();
    stack.read_loop(file)?;
    stack.finalize()
}

/// What the saved object says of the tensors below `key`.
fn tensors(saved: Object, key: &str) -> Result<Vec<TensorInfo>> {
    let entries = saved.dict().map_err(|_| Error::msg("the checkpoint is no dictionary"))?;
    let named = |name: &Object| matches!(name, Object::Unicode(name) if name == key);
    let Some((_, below)) = entries.into_iter().find(|(name, _)| named(name)) else {
        bail!("nothing is called {key}");
    };
    let entries = below.dict().map_err(|_| Error::msg("what it is called is no dictionary"))?;
    let tensors = entries.into_iter().filter_map(|(name, tensor)| {
        tensor.into_tensor_info(name, std::path::Path::new("")).transpose()
    });
    tensors.collect()
}

/// The storages of 32-bit numbers, by name; they follow one another, each after its length.
fn storages(
    file: &mut (impl Read + Seek),
    names: Vec<Object>,
) -> Result<HashMap<String, Vec<f32>>> {
    let mut storages = HashMap::new();
    for name in names {
        let name = name.unicode().map_err(|_| Error::msg("a storage has no name"))?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let bytes = u64::from_le_bytes(length).saturating_mul(4);
        let mut numbers = Vec::new();
        if file.by_ref().take(bytes).read_to_end(&mut numbers)? as u64 != bytes {
            bail!("the file ends within its numbers");
        }
        let (numbers, _) = numbers.as_chunks::<4>();
        storages.insert(name, numbers.iter().copied().map(f32::from_le_bytes).collect());
    }
    Ok(storages)
}

fn build(tensor: TensorInfo, storages: &HashMap<String, Vec<f32>>) -> Result<(String, Tensor)> {
    let TensorInfo { name, dtype, layout, path, .. } = tensor;
    if dtype != DType::F32 || !layout.is_contiguous() {
        bail!("{name} is not a plain tensor of 32-bit numbers");
    }
    let from = layout.start_offset() / dtype.size_in_bytes();
    let storage = storages.get(path.trim_start_matches('/'));
    let numbers = storage.and_then(|all| all.get(from..from + layout.shape().elem_count()));
    let Some(numbers) = numbers else { bail!("{name} lies outside its storage") };
    let tensor = Tensor::from_slice(numbers, layout.shape().clone(), &Device::Cpu)?;
    Ok((name, tensor))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// What torch 1.5 writes for `{"state": {"bias": tensor([2., 3.])}}`, of a storage of four numbers.
    fn checkpoint(of: &str, numbers: &[f32]) -> Vec<u8> {
        let unicode = |text: &str| {
            [&[b'X'][..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
        };
        let storage = [
            &b"("[..],
            &unicode("storage"),
            format!("ctorch\n{of}\n").as_bytes(),
            &unicode("77"),
            &unicode("cpu"),
            b"K\x04NtQ",
        ]
        .concat();
        let tensor = [
            &b"ctorch._utils\n_rebuild_tensor_v2\n("[..],
            &storage,
            b"K\x01K\x02\x85K\x01\x85\x89}tR",
        ]
        .concat();
        let state = [&b"}"[..], &unicode("bias"), &tensor, b"s"].concat();
        let saved = [&b"\x80\x02}"[..], &unicode("state"), &state, b"s."].concat();
        let names = [&b"\x80\x02]"[..], &unicode("77"), b"a."].concat();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let length = 4_u64.to_le_bytes();
        [&BEGINNING[..], b"\x80\x02}.", &saved, &names, &length, &bytes].concat()
    }

    fn refused(file: Vec<u8>, key: &str, reason: &str) {
        let error = read(&mut Cursor::new(file), key).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn a_tensor_is_found_by_name_at_its_place_in_its_storage() {
        let file = checkpoint("FloatStorage", &[1.0, 2.0, 3.0, 4.0]);
        let tensors = read(&mut Cursor::new(file), "state").unwrap();
        assert_eq!(tensors.len(), 1);
        assert_eq!(tensors["bias"].to_vec1::<f32>().unwrap(), [2.0, 3.0]);
    }

    #[test]
    fn what_is_no_such_file_is_refused_with_the_reason() {
        let good = || checkpoint("FloatStorage", &[1.0, 2.0, 3.0, 4.0]);
        refused(b"PK\x03\x04 a newer checkpoint, a zip archive".to_vec(), "state", "no checkpoint");
        refused(good(), "optimizer", "nothing is called optimizer");
        refused(checkpoint("LongStorage", &[1.0; 4]), "state", "32-bit");
        let cut = good().len() - 6;
        refused(good()[..cut].to_vec(), "state", "ends within its numbers");
    }

    #[test]
    fn no_cut_makes_it_panic() {
        let file = checkpoint("FloatStorage", &[1.0, 2.0, 3.0, 4.0]);
        for end in 0..file.len() {
            assert!(read(&mut Cursor::new(&file[..end]), "state").is_err(), "{end}");
        }
    }
}
