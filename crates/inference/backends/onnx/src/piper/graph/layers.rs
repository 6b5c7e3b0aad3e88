//! Reads the weights of a decoder's convolutions.

use std::collections::HashMap;

use super::{
    Node, field,
    protobuf::{Field, fields, named, varint},
};

// Field numbers of ONNX's messages.
const NODE_ATTRIBUTE: u64 = 5;
const ATTRIBUTE_NAME: u64 = 1;
const ATTRIBUTE_INTS: u64 = 8;
const TENSOR_DIMS: u64 = 1;
const TENSOR_RAW: u64 = 9;

/// A convolution of the decoder.
pub(in crate::piper) struct Layer {
    /// `[outputs, inputs, taps]`, of a transposed one `[inputs, outputs, taps]`.
    pub(in crate::piper) shape: Vec<usize>,
    /// In the order of `shape`.
    pub(in crate::piper) weights: Vec<f32>,
    /// One an output, or none.
    pub(in crate::piper) bias: Vec<f32>,
    /// Rows from a tap to the next.
    pub(in crate::piper) dilation: usize,
    /// Rows that a transposed one makes of one.
    pub(in crate::piper) stride: usize,
}

/// The decoder's convolutions by the names of their weights; none where they are stored in another way.
pub(in crate::piper) fn layers(model: &[u8]) -> Option<HashMap<String, Layer>> {
    let parts = fields(model)?;
    let graph = fields(parts.iter().find(|f| f.number == field::MODEL_GRAPH)?.bytes)?;
    let tensors = graph.iter().filter(|f| f.number == field::GRAPH_INITIALIZER);
    let tensors: Option<HashMap<&[u8], &[u8]>> =
        tensors.map(|f| Some((named(f.bytes, field::TENSOR_NAME)?, f.bytes))).collect();
    let tensors = tensors?;
    let mut layers = HashMap::new();
    for node in graph.iter().filter(|f| f.number == field::GRAPH_NODE) {
        let inputs = Node::read(node)?.inputs;
        let Some(&name) = inputs.get(1).filter(|name| name.starts_with(b"dec.")) else { continue };
        let Some(weights) = tensors.get(name) else { continue };
        let bias = match inputs.get(2) {
            Some(bias) => floats(tensors.get(bias)?)?,
            None => Vec::new(),
        };
        let number =
            |name| Some(numbers(attribute(node, name)?, ATTRIBUTE_INTS).first()?.to_owned());
        let layer = Layer {
            shape: numbers(weights, TENSOR_DIMS),
            weights: floats(weights)?,
            bias,
            dilation: number("dilations").unwrap_or(1),
            stride: number("strides").unwrap_or(1),
        };
        layers.insert(String::from_utf8(name.to_vec()).ok()?, layer);
    }
    Some(layers)
}

/// The values of a tensor that holds them raw, as exporters write it.
fn floats(tensor: &[u8]) -> Option<Vec<f32>> {
    let (values, _) = named(tensor, TENSOR_RAW)?.as_chunks::<4>();
    Some(values.iter().map(|&value| f32::from_le_bytes(value)).collect())
}

/// The attribute of a node by its name.
fn attribute<'m>(node: &Field<'m>, name: &str) -> Option<&'m [u8]> {
    let is_it = |f: &Field<'m>| {
        f.number == NODE_ATTRIBUTE && named(f.bytes, ATTRIBUTE_NAME) == Some(name.as_bytes())
    };
    fields(node.bytes)?.into_iter().find(is_it).map(|f| f.bytes)
}

/// The whole numbers in a message's field, one by one or packed.
fn numbers(message: &[u8], number: u64) -> Vec<usize> {
    let mut numbers = Vec::new();
    for field in fields(message).unwrap_or_default().iter().filter(|f| f.number == number) {
        let mut rest = field.bytes;
        if rest.is_empty() {
            rest = field.whole.unwrap_or_default();
            varint(&mut rest);
        }
        while let Some(value) = varint(&mut rest) {
            numbers.push(value as usize);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(parts: &[(u64, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for &(number, bytes) in parts {
            Field { number, whole: None, bytes }.write(&mut out);
        }
        out
    }

    /// A convolution of two taps, dilated by 3; its shape packed or number by number.
    fn model(packed: bool) -> Vec<u8> {
        let tensor = |name: &[u8], shape: &[u8], values: &[f32]| {
            let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let dims = if packed {
                message(&[(TENSOR_DIMS, shape)])
            } else {
                shape.iter().flat_map(|&n| [(TENSOR_DIMS << 3) as u8, n]).collect()
            };
            [dims, message(&[(field::TENSOR_NAME, name), (TENSOR_RAW, &raw)])].concat()
        };
        let attribute = message(&[(ATTRIBUTE_NAME, b"dilations"), (ATTRIBUTE_INTS, &[3])]);
        let node = message(&[
            (field::NODE_INPUT, b"z"),
            (field::NODE_INPUT, b"dec.one.weight"),
            (field::NODE_INPUT, b"dec.one.bias"),
            (field::NODE_OUTPUT, b"y"),
            (NODE_ATTRIBUTE, &attribute),
        ]);
        let graph = message(&[
            (field::GRAPH_NODE, &node),
            (
                field::GRAPH_INITIALIZER,
                &tensor(b"dec.one.weight", &[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]),
            ),
            (field::GRAPH_INITIALIZER, &tensor(b"dec.one.bias", &[1], &[0.5])),
        ]);
        message(&[(field::MODEL_GRAPH, &graph)])
    }

    #[test]
    fn a_layer_is_read_whole() {
        for packed in [true, false] {
            let layers = layers(&model(packed)).unwrap();
            let layer = &layers["dec.one.weight"];
            assert_eq!((&layer.shape[..], layer.dilation, layer.stride), (&[1, 2, 2][..], 3, 1));
            assert_eq!(
                (&layer.weights[..], &layer.bias[..]),
                (&[1.0, 2.0, 3.0, 4.0][..], &[0.5][..])
            );
        }
    }

    proptest! {
        #[test]
        fn damaged_models_are_never_a_panic(at in 0_usize..150, byte in any::<u8>()) {
            let mut model = model(true);
            let at = at % model.len();
            model[at] = byte;
            let _layers = layers(&model);
        }
    }
}
