//! What lies over the panes: one thing at a time.

use super::answer::Arming;
use super::{
    AskDialog, Menu, NameDialog, Palette, ParamsDialog, PlanDialog, RevealDialog, SecondDialog, SilencePreview,
    UnlockDialog,
};
use crate::domain::Now;
use crate::widgets::scroll::Scroll;
use std::time::Duration;

/// What lies over the panes.
#[derive(Debug)]
pub enum Overlay {
    /// The keys that work here.
    Help {
        /// First line shown.
        scroll: Scroll,
    },
    /// Actions by name.
    Palette(Palette),
    /// A list to choose from.
    Menu(Menu),
    /// The name of a view that is to be saved.
    Name(NameDialog),
    /// A plan to confirm.
    Plan(Box<PlanDialog>),
    /// The parameters of a plan, to plan anew.
    Params(Box<ParamsDialog>),
    /// What a silence would hide.
    SilencePreview(Box<SilencePreview>),
    /// Unlock writes?
    Unlock(Box<UnlockDialog>),
    /// Show everything again?
    Reveal(RevealDialog),
    /// A run asks.
    Ask(Box<AskDialog>),
    /// Somebody else asks.
    Second(Box<SecondDialog>),
}

impl Overlay {
    /// It is on the screen.
    pub(super) fn painted(&mut self, now: Now) {
        match self {
            Self::Plan(dialog) => dialog.arming.painted(now),
            Self::Unlock(dialog) => dialog.arming.painted(now),
            Self::Ask(dialog) => dialog.arming.painted(now),
            Self::Second(dialog) => dialog.arming.painted(now),
            Self::Help { .. }
            | Self::Palette(_)
            | Self::Menu(_)
            | Self::Name(_)
            | Self::Params(_)
            | Self::Reveal(_)
            | Self::SilencePreview(_) => {}
        }
    }

    /// Of what asks for an answer that changes something: when it takes one, and whether it does now.
    fn arming(&self) -> Option<(&Arming, bool)> {
        match self {
            Self::Plan(dialog) => Some((&dialog.arming, dialog.armed)),
            Self::Unlock(dialog) => Some((&dialog.arming, dialog.armed)),
            Self::Ask(dialog) => Some((&dialog.arming, dialog.armed)),
            Self::Second(dialog) => Some((&dialog.arming, dialog.armed)),
            Self::Help { .. }
            | Self::Palette(_)
            | Self::Menu(_)
            | Self::Name(_)
            | Self::Params(_)
            | Self::Reveal(_)
            | Self::SilencePreview(_) => None,
        }
    }

    /// When it wants to be looked at again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.arming().and_then(|(arming, armed)| arming.deadline(armed))
    }

    /// Text is being typed into it, so that no dialog may open over it.
    pub(super) fn takes_text(&self) -> bool {
        match self {
            Self::Palette(_) | Self::Name(_) | Self::Params(_) | Self::Reveal(_) => true,
            Self::Plan(dialog) => dialog.takes_text(),
            Self::Ask(dialog) => dialog.takes_text(),
            Self::Second(dialog) => dialog.verdict.is_some(),
            Self::Help { .. } | Self::Menu(_) | Self::SilencePreview(_) | Self::Unlock(_) => false,
        }
    }

    /// It asks for an answer that changes something.
    pub(super) fn is_dialog(&self) -> bool {
        self.arming().is_some()
    }
}
