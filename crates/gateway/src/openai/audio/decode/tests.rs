//! Files of every format, and files that are none.

use std::sync::Arc;

use proptest::prelude::*;
use tokio::{sync::Semaphore, time::timeout};

use super::*;

const LONGEST: Duration = Duration::from_mins(1);

#[tokio::test]
async fn every_common_format_is_heard_by_its_content() {
    let sounds: [(&str, &[u8]); 5] = [
        ("aac.m4a", include_bytes!("sounds/aac.m4a")),
        ("alac.mp4", include_bytes!("sounds/alac.mp4")),
        ("opus.webm", include_bytes!("sounds/opus.webm")),
        ("video.mp4", include_bytes!("sounds/video.mp4")),
        ("vorbis.ogg", include_bytes!("sounds/vorbis.ogg")),
    ];
    for (name, file) in sounds {
        let samples = heard(file.to_vec()).await.unwrap();
        // Codecs with frames of 20 to 50 ms pad; the sound itself is 0.6 s.
        assert!(samples.len().abs_diff(9_600) < 1_600, "{name}: {}", samples.len());
        let middle = &samples[4_000..8_000];
        let zeros = middle.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        // 440 Hz crosses zero 220 times in a quarter of a second.
        assert!(zeros.abs_diff(220) <= 6, "{name}: {zeros}");
    }
}

#[tokio::test]
async fn wav_files_of_every_width_rate_and_channel_count_are_heard() {
    for (bits, format) in [
        (8, hound::SampleFormat::Int),
        (16, hound::SampleFormat::Int),
        (24, hound::SampleFormat::Int),
        (32, hound::SampleFormat::Int),
        (32, hound::SampleFormat::Float),
    ] {
        for (hz, channels) in [(8_000, 1), (16_000, 2), (22_050, 1), (44_100, 6), (48_000, 2)] {
            let spec = hound::WavSpec {
                channels,
                sample_rate: hz,
                bits_per_sample: bits,
                sample_format: format,
            };
            let samples = heard(wav(spec, hz, 0.25)).await.unwrap();
            let name = format!("{bits} bits {hz} Hz x{channels}");
            assert!(samples.len().abs_diff(16_000) <= 2, "{name}: {}", samples.len());
            let middle = f64::from(samples[8_000]) / 32_768.0;
            assert!((middle - 0.25).abs() < 0.02, "{name}: {middle}");
        }
    }
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_heard_as_far_as_it_goes() {
    let mut file = wav(mono(16_000), 16_000, 0.25);
    file.truncate(44 + 2 * 8_000);
    assert_eq!(heard(file).await.unwrap().len(), 8_000);
}

#[tokio::test]
async fn what_is_no_sound_is_refused_with_a_reason() {
    let no_samples = wav(mono(16_000), 0, 0.0);
    let short = wav(mono(16_000), 1_500, 0.0);
    let slow = wav(mono(500), 500, 0.0);
    let crowd = hound::WavSpec { channels: 60_000, ..mono(8_000) };
    let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    for (file, reason) in [
        (b"not sound at all".to_vec(), "cannot be decoded"),
        (picture, "cannot be decoded"),
        (vec![0], "cannot be decoded"),
        (no_samples, "no sound"),
        (short, "too short"),
        (slow, "500 Hz"),
        (wav(crowd, 20, 0.0), "cannot be decoded"),
    ] {
        let error = heard(file).await.unwrap_err().error();
        assert_eq!(error["param"], "file");
        assert_eq!(error["code"], "invalid_value");
        assert!(error["message"].as_str().unwrap().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn no_more_sound_is_taken_than_is_allowed() {
    let file = wav(mono(1_000), 61_000, 0.25);
    let error = heard(file).await.unwrap_err().error();
    assert!(error["message"].as_str().unwrap().contains("longer than this server takes"));
}

#[test]
fn a_tiny_file_may_not_hold_hours() {
    let mut framer = Framer::new(3_200, Duration::from_hours(4));
    let minute = vec![0; 60 * 1_000];
    let refused = (0..20).find_map(|minute_of| {
        let pushed = framer.push(&minute, 1_000).err();
        while framer.next_frame(false).is_some() {}
        pushed.map(|refusal| (minute_of, refusal.error().to_string()))
    });
    let (minute_of, message) = refused.unwrap();
    // Ten minutes are free, and 3200 bytes are worth 100 s.
    assert_eq!(minute_of, 11);
    assert!(message.contains("far more sound"), "{message}");
}

#[tokio::test]
async fn an_unread_sound_stops_its_decoder_and_frees_its_place() {
    let places = Arc::new(Semaphore::new(1));
    let file = wav(mono(16_000), 40 * 16_000, 0.0);
    let mut sound = Sound::decode(Upload::of(file, &places), LONGEST);
    sound.next().await.unwrap().unwrap();
    assert_eq!(places.available_permits(), 0, "the decoder waits for its reader");
    drop(sound);
    drop(timeout(Duration::from_secs(10), places.acquire()).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_change_of_rate_on_the_way_keeps_the_time() {
    let mut framer = Framer::new(1_000_000, LONGEST);
    framer.push(&vec![0; 8_000], 8_000).unwrap();
    framer.push(&vec![0; 44_100], 44_100).unwrap();
    framer.finish().unwrap();
    let mut samples = 0;
    while let Some(frame) = framer.next_frame(true) {
        assert_eq!(frame.at(), trunkline_audio::MediaTime::from_samples(samples, HEARD_HZ));
        samples += frame.samples().len() as u64;
    }
    assert!(samples.abs_diff(32_000) <= 2, "{samples}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn bytes_of_any_kind_neither_hang_nor_escape(
        start in prop::sample::select(vec![
            &b"RIFF"[..], b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\0\0\0\x20ftypM4A ", b"\x1a\x45\xdf\xa3", b"",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        end_of([start, &rest].concat());
    }

    #[test]
    fn damaged_files_neither_hang_nor_escape(
        which in 0..7_usize,
        cut in 0.0..1.0_f64,
        flips in prop::collection::vec((0.0..1.0_f64, any::<u8>()), 1..40),
    ) {
        let mut file = sample(which);
        for (place, value) in flips {
            let at = part(place, file.len());
            file[at] ^= value;
        }
        let end = part(cut, file.len());
        if end.is_multiple_of(2) {
            file.truncate(end);
        }
        end_of(file);
    }
}

/// A whole file of some format.
fn sample(which: usize) -> Vec<u8> {
    match which {
        0 => include_bytes!("sounds/aac.m4a").to_vec(),
        1 => include_bytes!("sounds/alac.mp4").to_vec(),
        2 => include_bytes!("sounds/opus.webm").to_vec(),
        3 => include_bytes!("sounds/video.mp4").to_vec(),
        4 => include_bytes!("sounds/vorbis.ogg").to_vec(),
        5 => wav(mono(8_000), 2_000, 0.1),
        _ => flac(),
    }
}

fn flac() -> Vec<u8> {
    let mut encoder = crate::openai::audio::encode::Format::Flac.encoder().unwrap();
    let samples: Vec<i16> = (0..6_000).map(|n| (n * 37 % 2_000) as i16).collect();
    [encoder.encode(&samples).unwrap(), encoder.finish().unwrap()].concat()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a place in a small file"
)]
fn part(share: f64, length: usize) -> usize {
    (share * length as f64) as usize
}

/// Decodes to the end, whatever that is.
fn end_of(file: Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let heard = runtime.block_on(async { timeout(Duration::from_secs(20), heard(file)).await });
    if let Err(refusal) = heard.expect("the decoder hangs") {
        assert_eq!(refusal.status().as_u16(), 400);
    }
}

async fn heard(file: Vec<u8>) -> Result<Vec<i16>, Refusal> {
    let mut sound = Sound::decode(Upload::of(file, &Arc::new(Semaphore::new(1))), LONGEST);
    let mut samples = Vec::new();
    while let Some(frame) = sound.next().await {
        samples.extend_from_slice(frame?.samples());
    }
    Ok(samples)
}

fn mono(hz: u32) -> hound::WavSpec {
    hound::WavSpec {
        channels: 1,
        sample_rate: hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    }
}

/// `length` samples of `level`, of full scale.
#[expect(clippy::cast_possible_truncation, reason = "within the bits")]
fn wav(spec: hound::WavSpec, length: u32, level: f32) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    let full = f64::from(spec.bits_per_sample - 1).exp2();
    for _ in 0..length * u32::from(spec.channels) {
        match spec.sample_format {
            hound::SampleFormat::Float => writer.write_sample(level).unwrap(),
            hound::SampleFormat::Int => {
                writer.write_sample((f64::from(level) * full) as i32).unwrap();
            }
        }
    }
    writer.finalize().unwrap();
    file.into_inner()
}
