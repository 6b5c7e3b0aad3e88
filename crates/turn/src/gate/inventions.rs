//! Phrases that recognizers trained on subtitles write when nobody spoke.

/// Whether `text`, normalized, is something that nobody says on a telephone.
pub(super) fn is_never_said(text: &str) -> bool {
    NEVER_SAID.contains(&text)
        || NEVER_SAID_AT_THE_START.iter().any(|start| text.starts_with(start))
        || NEVER_SAID_ANYWHERE.iter().any(|part| text.contains(part))
        || is_only("music", text)
        || is_only("applause", text)
}

/// Whether `text`, normalized, is something that people say too, but recognizers far more often.
pub(super) fn is_suspect(text: &str) -> bool {
    SUSPECT.contains(&text)
}

fn is_only(word: &str, text: &str) -> bool {
    text.split(' ').all(|w| w == word)
}

const NEVER_SAID: [&str; 14] = [
    "thanks for watching",
    "thank you for watching",
    "thank you so much for watching",
    "thank you very much for watching",
    "please subscribe",
    "like and subscribe",
    "subscribe",
    "the end",
    "gracias por ver el video",
    "gracias por ver el vídeo",
    "merci d'avoir regardé",
    "vielen dank fürs zuschauen",
    "ご視聴ありがとうございました",
    "ご清聴ありがとうございました",
];

const NEVER_SAID_AT_THE_START: [&str; 10] = [
    "copyright",
    "subtitles by",
    "subtitled by",
    "transcribed by",
    "transcription by",
    "captions by",
    "subtítulos",
    "sous titres",
    "sous titrage",
    "untertitel",
];

const NEVER_SAID_ANYWHERE: [&str; 5] =
    ["amara org", "otter ai", "don't forget to subscribe", "subscribe to my channel", "www "];

const SUSPECT: [&str; 20] = [
    "thank you",
    "thank you very much",
    "thank you so much",
    "thanks",
    "you",
    "bye",
    "bye bye",
    "goodbye",
    "oh",
    "so",
    "hmm",
    "mm",
    "ah",
    "uh",
    "i'm sorry",
    "i'll see you next time",
    "gracias",
    "merci",
    "vielen dank",
    "谢谢",
];
