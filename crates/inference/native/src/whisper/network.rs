//! Who computes a Whisper's layers: this crate on the CPU, another on a GPU.

/// The layers of a Whisper, and what they remember of the window and the text at each desk.
///
/// A failure tells its reason; the windows or texts that were given with it are lost.
pub trait Network: Send {
    /// Works for a little on windows, the most urgent one first: how many of the first are encoded now.
    /// Whoever is not is given again, until [`forget`](Self::forget) is called for its desk.
    fn encode(&mut self, windows: &[Window<'_>]) -> Result<usize, String>;

    /// Reads each text's next tokens: the logits after each text's last, `[texts, words]`. The texts are
    /// in the order of their desks, one of each, whose windows are encoded.
    fn read(&mut self, texts: &[Text<'_>], logits: &mut Vec<f32>) -> Result<(), String>;

    /// Nothing of a desk is needed any more.
    fn forget(&mut self, desk: usize);
}

/// A window to encode.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// Where its text will be written.
    pub desk: usize,
    /// The log-mel spectrogram, `[2 * positions, mels]`.
    pub features: &'a [f32],
    /// Positions of the encoder, 50 a second.
    pub positions: usize,
}

/// A text's next tokens.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Where it is written.
    pub desk: usize,
    /// Tokens that were read before; what was read beyond them is forgotten.
    pub position: usize,
    /// At least one.
    pub tokens: &'a [u32],
}
