//! Protobuf messages as far as ONNX files need them: fields are found, copied, or written anew.

/// A field of a protobuf message.
#[derive(Clone, Copy)]
pub(super) struct Field<'m> {
    /// Its number in the message's definition.
    pub(super) number: u64,
    /// The field as it was read; none for one to be written anew, with a length before its bytes.
    pub(super) whole: Option<&'m [u8]>,
    /// What it holds, where that is bytes or a message.
    pub(super) bytes: &'m [u8],
}

impl Field<'_> {
    /// Appends it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if let Some(whole) = self.whole {
            out.extend_from_slice(whole);
            return;
        }
        write_varint(self.number << 3 | 2, out);
        write_varint(self.bytes.len() as u64, out);
        out.extend_from_slice(self.bytes);
    }
}

/// What the first field of this number holds.
pub(super) fn named(message: &[u8], number: u64) -> Option<&[u8]> {
    fields(message)?.into_iter().find(|f| f.number == number).map(|f| f.bytes)
}

/// The fields of a message in order; none where it is not one.
pub(super) fn fields(message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let start = rest;
        let key = varint(&mut rest)?;
        let bytes = match key & 7 {
            0 => varint(&mut rest).map(|_| &[][..])?,
            1 => take(&mut rest, 8)?,
            2 => {
                let len = varint(&mut rest)?;
                take(&mut rest, usize::try_from(len).ok()?)?
            }
            5 => take(&mut rest, 4)?,
            _ => return None,
        };
        let whole = start.get(..start.len() - rest.len());
        fields.push(Field { number: key >> 3, whole, bytes });
    }
    Some(fields)
}

fn take<'m>(rest: &mut &'m [u8], len: usize) -> Option<&'m [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

/// Takes a number from the start of `rest`.
pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Appends a number.
pub(super) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_of_any_size_are_read_as_written(value in any::<u64>()) {
            let mut out = Vec::new();
            write_varint(value, &mut out);
            let mut rest = &out[..];
            prop_assert_eq!(varint(&mut rest), Some(value));
            prop_assert!(rest.is_empty());
        }
    }
}
