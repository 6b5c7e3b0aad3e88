//! Cuts a Piper voice's ONNX graph in three, so that the sound can be made piece by piece.
//!
//! The front turns symbols into latent frames, for a whole sentence. The trunk and the head, a
//! HiFi-GAN decoder (Kong et al. 2020), turn any stretch of frames into sound and take most of the
//! time: the trunk, up to the first upsampling and what follows it, is cheap and looks far around,
//! the head is dear and looks about a frame around. The cuts are made in the protobuf encoding itself
//! (ONNX's `ModelProto`), of which little is needed: fields are copied as they are, or left out.

#[cfg(target_arch = "x86_64")]
pub(super) mod layers;
mod protobuf;

use std::collections::HashSet;

use self::protobuf::{Field, fields, named};

/// The weight of the trunk's first layer, by which the first cut is found.
const TRUNK_WEIGHT: &str = "dec.conv_pre.weight";
/// The weight of the head's first layer: the second upsampling.
const HEAD_WEIGHT: &str = "dec.ups.1.weight";

/// Field numbers of ONNX's messages.
mod field {
    pub(super) const MODEL_GRAPH: u64 = 7;
    pub(super) const GRAPH_NODE: u64 = 1;
    pub(super) const GRAPH_INITIALIZER: u64 = 5;
    pub(super) const GRAPH_INPUT: u64 = 11;
    pub(super) const GRAPH_OUTPUT: u64 = 12;
    pub(super) const GRAPH_VALUE_INFO: u64 = 13;
    pub(super) const NODE_INPUT: u64 = 1;
    pub(super) const NODE_OUTPUT: u64 = 2;
    pub(super) const TENSOR_NAME: u64 = 8;
    pub(super) const VALUE_NAME: u64 = 1;
    pub(super) const VALUE_TYPE: u64 = 2;
}

/// The three models that a voice is cut into.
pub(super) struct Cuts {
    /// Symbols to latent frames, `[texts, width, frames]`, and to which of them count, 1 or 0, `[texts,
    /// 1, frames]`.
    pub(super) front: Vec<u8>,
    /// Latent frames to features, `[parts, channels, frames x a whole number]`.
    pub(super) trunk: Vec<u8>,
    /// Features to sound.
    pub(super) head: Vec<u8>,
}

/// Cuts `model`; none where it is not built as expected, and has to be run whole.
pub(super) fn cut(model: &[u8]) -> Option<Cuts> {
    let parts = fields(model)?;
    let graph = fields(parts.iter().find(|f| f.number == field::MODEL_GRAPH)?.bytes)?;
    let nodes: Option<Vec<Node<'_>>> =
        graph.iter().filter(|f| f.number == field::GRAPH_NODE).map(Node::read).collect();
    let nodes = nodes?;
    let fed_to = |weight: &str| {
        let node = nodes.iter().find(|node| node.inputs.contains(&weight.as_bytes()))?;
        node.inputs.first().copied()
    };
    let (frames, features) = (fed_to(TRUNK_WEIGHT)?, fed_to(HEAD_WEIGHT)?);
    // The frames are masked last of all: frames x mask.
    let mask = *nodes.iter().find(|node| node.outputs.contains(&frames))?.inputs.get(1)?;
    let ends = |number| graph.iter().filter(move |f| f.number == number).copied();
    let sound = named(ends(field::GRAPH_OUTPUT).next()?.bytes, field::VALUE_NAME)?;
    let [frames_end, mask_end, features_end] = [frames, mask, features].map(value);
    let end = |number, value| Field { number, whole: None, bytes: value };

    let front = keep(&nodes, &[frames, mask], None);
    let front_ends = ends(field::GRAPH_INPUT)
        .chain([end(field::GRAPH_OUTPUT, &frames_end), end(field::GRAPH_OUTPUT, &mask_end)]);
    let trunk = keep(&nodes, &[features], Some(frames));
    let trunk_ends =
        [end(field::GRAPH_INPUT, &frames_end), end(field::GRAPH_OUTPUT, &features_end)];
    let head = keep(&nodes, &[sound], Some(features));
    let head_ends = ends(field::GRAPH_OUTPUT).chain([end(field::GRAPH_INPUT, &features_end)]);
    Some(Cuts {
        front: rebuild(&parts, &graph, &front, front_ends)?,
        trunk: rebuild(&parts, &graph, &trunk, trunk_ends.into_iter())?,
        head: rebuild(&parts, &graph, &head, head_ends)?,
    })
}

/// The names of everything that `wanted` is made of, without what `given` is made of.
fn keep<'m>(nodes: &[Node<'m>], wanted: &[&'m [u8]], given: Option<&'m [u8]>) -> HashSet<&'m [u8]> {
    let mut names: HashSet<_> = wanted.iter().copied().collect();
    // Nodes are sorted: each comes after those it depends on.
    for node in nodes.iter().rev() {
        let made = node.outputs.iter().any(|o| names.contains(o) && Some(*o) != given);
        if made {
            names.extend(&node.inputs);
        }
    }
    if let Some(given) = given {
        names.remove(given);
    }
    names
}

/// The model with only what makes `kept`, and with other inputs and outputs.
fn rebuild<'m>(
    parts: &[Field<'m>],
    graph: &[Field<'m>],
    kept: &HashSet<&[u8]>,
    ends: impl Iterator<Item = Field<'m>>,
) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    for part in graph {
        let wanted = match part.number {
            field::GRAPH_INPUT | field::GRAPH_OUTPUT | field::GRAPH_VALUE_INFO => false,
            field::GRAPH_NODE => Node::read(part)?.outputs.iter().any(|o| kept.contains(o)),
            field::GRAPH_INITIALIZER => kept.contains(named(part.bytes, field::TENSOR_NAME)?),
            _ => true,
        };
        if wanted {
            part.write(&mut body);
        }
    }
    ends.for_each(|end| end.write(&mut body));
    let mut model = Vec::with_capacity(body.len() + 1024);
    for part in parts {
        if part.number == field::MODEL_GRAPH {
            Field { number: part.number, whole: None, bytes: &body }.write(&mut model);
        } else {
            part.write(&mut model);
        }
    }
    Some(model)
}

/// A `ValueInfoProto` of this name: f32, of any shape.
fn value(name: &[u8]) -> Vec<u8> {
    const F32_TENSOR: [u8; 4] = [0x0a, 0x02, 0x08, 0x01];
    let mut value = Vec::new();
    Field { number: field::VALUE_NAME, whole: None, bytes: name }.write(&mut value);
    Field { number: field::VALUE_TYPE, whole: None, bytes: &F32_TENSOR }.write(&mut value);
    value
}

struct Node<'m> {
    inputs: Vec<&'m [u8]>,
    outputs: Vec<&'m [u8]>,
}

impl<'m> Node<'m> {
    fn read(field: &Field<'m>) -> Option<Self> {
        let fields = fields(field.bytes)?;
        let all = |number| fields.iter().filter(move |f| f.number == number).map(|f| f.bytes);
        let (inputs, outputs) = (all(field::NODE_INPUT), all(field::NODE_OUTPUT));
        Some(Self {
            inputs: inputs.filter(|name| !name.is_empty()).collect(),
            outputs: outputs.filter(|name| !name.is_empty()).collect(),
        })
    }
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

    fn node(inputs: &[&str], output: &str) -> Vec<u8> {
        let inputs = inputs.iter().map(|i| (field::NODE_INPUT, i.as_bytes()));
        let parts: Vec<_> = inputs.chain([(field::NODE_OUTPUT, output.as_bytes())]).collect();
        message(&parts)
    }

    /// ids -> text, mask -> z (with "scale", masked) -> features -> sound (with the decoder's weights
    /// and a constant).
    fn model() -> Vec<u8> {
        let tensor = |name: &str| message(&[(field::TENSOR_NAME, name.as_bytes())]);
        let parts = [
            (field::GRAPH_NODE, node(&["ids"], "text")),
            (field::GRAPH_NODE, node(&["ids"], "mask")),
            (field::GRAPH_NODE, node(&["text", "scale"], "flow")),
            (field::GRAPH_NODE, node(&["flow", "mask"], "z")),
            (field::GRAPH_NODE, node(&[], "one")),
            (field::GRAPH_NODE, node(&["z", TRUNK_WEIGHT], "features")),
            (field::GRAPH_NODE, node(&["features", HEAD_WEIGHT], "wave")),
            (field::GRAPH_NODE, node(&["wave", "one", ""], "sound")),
            (field::GRAPH_INITIALIZER, tensor("scale")),
            (field::GRAPH_INITIALIZER, tensor(TRUNK_WEIGHT)),
            (field::GRAPH_INITIALIZER, tensor(HEAD_WEIGHT)),
            (field::GRAPH_INPUT, value(b"ids")),
            (field::GRAPH_OUTPUT, value(b"sound")),
        ];
        let parts: Vec<_> = parts.iter().map(|(n, bytes)| (*n, bytes.as_slice())).collect();
        let graph = message(&parts);
        // IR version 8, as a varint.
        [&[0x08, 0x08][..], &message(&[(field::MODEL_GRAPH, &graph)])].concat()
    }

    /// Inputs, outputs, what its nodes make, and weights of a model.
    fn read(model: &[u8]) -> [Vec<String>; 4] {
        let parts = fields(model).unwrap();
        let graph = parts.iter().find(|f| f.number == field::MODEL_GRAPH).unwrap();
        let graph = fields(graph.bytes).unwrap();
        let names = |number, name| {
            let all = graph.iter().filter(|f| f.number == number);
            let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
            all.map(|f| text(named(f.bytes, name).unwrap())).collect()
        };
        [
            names(field::GRAPH_INPUT, field::VALUE_NAME),
            names(field::GRAPH_OUTPUT, field::VALUE_NAME),
            names(field::GRAPH_NODE, field::NODE_OUTPUT),
            names(field::GRAPH_INITIALIZER, field::TENSOR_NAME),
        ]
    }

    #[test]
    fn each_piece_has_its_own_nodes_weights_and_ends() {
        let cuts = cut(&model()).unwrap();
        let front =
            [vec!["ids"], vec!["z", "mask"], vec!["text", "mask", "flow", "z"], vec!["scale"]];
        let trunk = [vec!["z"], vec!["features"], vec!["features"], vec![TRUNK_WEIGHT]];
        let head =
            [vec!["features"], vec!["sound"], vec!["one", "wave", "sound"], vec![HEAD_WEIGHT]];
        assert_eq!(read(&cuts.front), front);
        assert_eq!(read(&cuts.trunk), trunk);
        assert_eq!(read(&cuts.head), head);
        assert!(cuts.front.starts_with(&[0x08, 0x08]) && cuts.head.starts_with(&[0x08, 0x08]));
    }

    #[test]
    fn a_model_without_such_a_decoder_is_not_cut() {
        let other = String::from_utf8_lossy(&model()).replace("conv_pre", "conv_one").into_bytes();
        assert!(cut(&other).is_none());
        let other = String::from_utf8_lossy(&model()).replace("ups.1", "ups.x").into_bytes();
        assert!(cut(&other).is_none());
        assert!(cut(b"").is_none());
        assert!(cut(b"not a model at all").is_none());
    }

    proptest! {
        #[test]
        fn damaged_models_are_refused_or_cut_but_never_a_panic(
            at in 0_usize..150, byte in any::<u8>(), end in 0_usize..200
        ) {
            let mut model = model();
            let at = at % model.len();
            model[at] = byte;
            model.truncate(end.max(1));
            let _halves = cut(&model);
        }
    }
}
