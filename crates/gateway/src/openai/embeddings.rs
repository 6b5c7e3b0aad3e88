//! `POST /v1/embeddings`: texts as vectors.

mod request;

use axum::{
    Json,
    extract::{Extension, State},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use self::request::{CreateEmbeddings, Encoding};
use super::{Api, Named, body::Body};
use crate::{refusal::Refusal, router::intake::Meter};

/// Embeds texts. A client that goes away stops the model.
pub(crate) async fn create(
    State(api): State<Api>,
    Extension(meter): Extension<Meter>,
    Body(asked): Body<CreateEmbeddings>,
) -> Result<Json<Value>, Refusal> {
    let Named { name, model } = api.directory.embedder(api.served()?, &asked.model)?;
    let (dimensions, encoding) = (asked.dimensions(model.dimensions())?, asked.encoding);
    let embedded = model.embed(asked.texts().await?).await?;
    let entry = |(number, vector): (usize, Vec<f32>)| {
        let embedding = told(&shortened(vector, dimensions), encoding);
        json!({ "object": "embedding", "index": number, "embedding": embedding })
    };
    let data: Vec<Value> = embedded.vectors.into_iter().enumerate().map(entry).collect();
    let tokens = embedded.tokens;
    meter.spent(tokens);
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    Ok(Json(json!({ "object": "list", "data": data, "model": &*name, "usage": usage })))
}

/// The first numbers of a vector, of length 1 again.
fn shortened(mut vector: Vec<f32>, dimensions: usize) -> Vec<f32> {
    if dimensions >= vector.len() {
        return vector;
    }
    vector.truncate(dimensions);
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for number in &mut vector {
            *number /= length;
        }
    }
    vector
}

/// A list of numbers, or their bytes (little-endian, 4 a number) in base64, as OpenAI's clients ask for.
fn told(vector: &[f32], encoding: Encoding) -> Value {
    match encoding {
        Encoding::Float => json!(vector),
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_vector_has_length_one_again() {
        assert_eq!(shortened(vec![0.6, 0.0, 0.8], 3), [0.6, 0.0, 0.8]);
        assert_eq!(shortened(vec![0.6, 0.0, 0.8], 2), [1.0, 0.0]);
        assert_eq!(shortened(vec![0.0, 1.0], 1), [0.0]);
    }

    #[test]
    fn base64_holds_little_endian_numbers() {
        // 1.0 is 00 00 80 3f, -2.0 is 00 00 00 c0.
        assert_eq!(told(&[1.0, -2.0], Encoding::Base64), "AACAPwAAAMA=");
        assert_eq!(told(&[1.0, -2.0], Encoding::Float), json!([1.0, -2.0]));
    }
}
