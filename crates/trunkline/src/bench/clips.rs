//! What callers say.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use trunkline_audio::resample_all;

use crate::{call::LINE_HZ, exit::Failure, sound_file};

/// Sound files are taken from a folder by these names.
const SOUNDS: [&str; 5] = ["wav", "flac", "mp3", "ogg", "m4a"];

/// Recorded utterances at the rate of the line.
#[derive(Debug)]
pub(super) struct Clips {
    pub(super) all: Vec<Clip>,
}

#[derive(Clone, Debug)]
pub(super) struct Clip {
    pub(super) name: String,
    pub(super) sound: Arc<[i16]>,
    /// What is said, where it is known.
    pub(super) text: Option<String>,
}

impl Clips {
    /// Reads a folder of sound files, or a list of them.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let listed = if path.is_dir() { in_folder(path)? } else { in_list(path)? };
        let all = listed
            .into_iter()
            .map(|(file, text)| clip(&file, text))
            .collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() {
            return Err(Failure::bad_input(format!("{} names no sound file", path.display())));
        }
        Ok(Self { all })
    }

    /// How much is said in all, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "samples far below 2^52")]
    pub(super) fn seconds(&self) -> f64 {
        let samples: usize = self.all.iter().map(|clip| clip.sound.len()).sum();
        samples as f64 / f64::from(LINE_HZ)
    }

    /// The text of the clip called `name`.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.all.iter().find(|clip| clip.name == name)?.text.as_deref()
    }
}

fn clip(file: &Path, text: Option<String>) -> Result<Clip, Failure> {
    let sound = sound_file::read(file)?;
    let sound = resample_all(&sound, sound_file::HEARD_HZ, LINE_HZ).map_err(Failure::new)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Clip { name, sound: sound.into(), text })
}

/// Every sound file of a folder, by name; `NAME.txt` beside one is its text.
fn in_folder(folder: &Path) -> Result<Vec<(PathBuf, Option<String>)>, Failure> {
    let unreadable =
        |e: &dyn std::fmt::Display| Failure::no_input(format!("{}: {e}", folder.display()));
    let entries = fs::read_dir(folder).map_err(|e| unreadable(&e))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| {
        file.extension().is_some_and(|e| SOUNDS.iter().any(|known| e.eq_ignore_ascii_case(known)))
    });
    files.sort();
    let with_text = |file: PathBuf| {
        let text =
            fs::read_to_string(file.with_extension("txt")).ok().map(|text| text.trim().to_owned());
        (file, text)
    };
    Ok(files.into_iter().map(with_text).collect())
}

/// One file a line, relative to the list, its text behind a tab.
fn in_list(list: &Path) -> Result<Vec<(PathBuf, Option<String>)>, Failure> {
    let text = fs::read_to_string(list)
        .map_err(|e| Failure::no_input(format!("{}: {e}", list.display())))?;
    let folder = list.parent().unwrap_or(Path::new("."));
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let listed = lines.map(|line| match line.split_once('\t') {
        Some((file, text)) => (folder.join(file), Some(text.trim().to_owned())),
        None => (folder.join(line), None),
    });
    Ok(listed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(path: &Path, samples: usize) {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        (0..samples).for_each(|_| writer.write_sample(1000_i16).unwrap());
        writer.finalize().unwrap();
    }

    #[test]
    fn a_list_names_files_beside_itself_and_their_texts() {
        let folder = tempfile::tempdir().unwrap();
        sound(&folder.path().join("a.wav"), 16_000);
        sound(&folder.path().join("b.wav"), 8_000);
        fs::write(folder.path().join("list.tsv"), "a.wav\tHello there.\n\nb.wav\n").unwrap();
        let clips = Clips::read(&folder.path().join("list.tsv")).unwrap();
        assert_eq!(clips.text("a.wav"), Some("Hello there."));
        assert_eq!((clips.all.len(), clips.text("b.wav")), (2, None));
        assert!((clips.seconds() - 1.5).abs() < 0.01, "{}", clips.seconds());
    }

    #[test]
    fn a_folder_gives_its_sound_files_and_the_texts_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        sound(&folder.path().join("a.wav"), 1600);
        fs::write(folder.path().join("a.txt"), "Yes.\n").unwrap();
        let clips = Clips::read(folder.path()).unwrap();
        assert_eq!((clips.all.len(), clips.text("a.wav")), (1, Some("Yes.")));
    }

    #[test]
    fn nothing_to_say_and_files_that_are_not_there_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Clips::read(folder.path()).is_err());
        fs::write(folder.path().join("list"), "gone.wav\n").unwrap();
        assert!(Clips::read(&folder.path().join("list")).is_err());
        assert!(Clips::read(&folder.path().join("none")).is_err());
    }
}
