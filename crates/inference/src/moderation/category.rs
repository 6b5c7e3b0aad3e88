//! What a text may be harmful as: `OpenAI`'s categories.

/// A category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Insults and degrades a person.
    Harassment,
    /// Harassment with a threat.
    HarassmentThreatening,
    /// Degrades people for their origin, religion, sex and the like.
    Hate,
    /// Hate with a threat.
    HateThreatening,
    /// Asks for or gives advice on what is against the law.
    Illicit,
    /// Such advice where violence or weapons are involved.
    IllicitViolent,
    /// Is about hurting oneself.
    SelfHarm,
    /// Says that the speaker does or will.
    SelfHarmIntent,
    /// Asks for or gives advice on it.
    SelfHarmInstructions,
    /// Is meant to arouse.
    Sexual,
    /// Is sexual and about somebody under eighteen.
    SexualMinors,
    /// Depicts violence or wishes for it.
    Violence,
    /// Depicts it in detail.
    ViolenceGraphic,
}

impl Category {
    /// How many there are.
    pub(super) const COUNT: usize = 13;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Harassment,
        Self::HarassmentThreatening,
        Self::Hate,
        Self::HateThreatening,
        Self::Illicit,
        Self::IllicitViolent,
        Self::SelfHarm,
        Self::SelfHarmIntent,
        Self::SelfHarmInstructions,
        Self::Sexual,
        Self::SexualMinors,
        Self::Violence,
        Self::ViolenceGraphic,
    ];

    /// `OpenAI`'s name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Harassment => "harassment",
            Self::HarassmentThreatening => "harassment/threatening",
            Self::Hate => "hate",
            Self::HateThreatening => "hate/threatening",
            Self::Illicit => "illicit",
            Self::IllicitViolent => "illicit/violent",
            Self::SelfHarm => "self-harm",
            Self::SelfHarmIntent => "self-harm/intent",
            Self::SelfHarmInstructions => "self-harm/instructions",
            Self::Sexual => "sexual",
            Self::SexualMinors => "sexual/minors",
            Self::Violence => "violence",
            Self::ViolenceGraphic => "violence/graphic",
        }
    }

    /// The category that it is a kind of.
    pub(super) fn parent(self) -> Option<Self> {
        match self {
            Self::HarassmentThreatening => Some(Self::Harassment),
            Self::HateThreatening => Some(Self::Hate),
            Self::IllicitViolent => Some(Self::Illicit),
            Self::SelfHarmIntent | Self::SelfHarmInstructions => Some(Self::SelfHarm),
            Self::SexualMinors => Some(Self::Sexual),
            Self::ViolenceGraphic => Some(Self::Violence),
            Self::Harassment
            | Self::Hate
            | Self::Illicit
            | Self::SelfHarm
            | Self::Sexual
            | Self::Violence => None,
        }
    }

    /// Its place in [`Self::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }
}
