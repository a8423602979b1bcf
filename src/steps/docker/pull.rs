//! How far an engine is in fetching an image, told when something is new: engines say the same of each layer many times in a second.

use bollard::models::CreateImageInfo;
use std::collections::HashMap;

/// What was told of each layer last: its state, and how many quarters of it are there.
#[derive(Default)]
pub(super) struct Progress(HashMap<String, (String, i64)>);

impl Progress {
    /// `a1b2c3: Downloading, 50 % of 28 MiB`; `None`: that was told.
    pub(super) fn line(&mut self, info: &CreateImageInfo) -> Option<String> {
        let status = info.status.clone().filter(|status| !status.is_empty())?;
        let id = info.id.clone().unwrap_or_default();
        let sizes = info.progress_detail.as_ref().and_then(|detail| detail.current.zip(detail.total));
        let (current, total) = sizes.filter(|(_, total)| *total > 0).unwrap_or_default();
        let quarters = if total > 0 { current.clamp(0, total) * 4 / total } else { 0 };
        if self.0.insert(id.clone(), (status.clone(), quarters)) == Some((status.clone(), quarters)) {
            return None;
        }
        let of =
            if total > 0 { format!(", {} % of {} KiB", quarters * 25, (total - 1) / 1024 + 1) } else { String::new() };
        let id = if id.is_empty() { id } else { format!("{id}: ") };
        Some(format!("{id}{status}{of}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    #[test]
    fn each_state_of_a_layer_is_told_once_and_each_quarter_of_it() {
        let info = |id: &str, status: &str, sizes: Option<(i64, i64)>| CreateImageInfo {
            id: Some(id.to_owned()).filter(|id| !id.is_empty()),
            status: Some(status.to_owned()),
            progress_detail: sizes
                .map(|(current, total)| ProgressDetail { current: Some(current), total: Some(total) }),
            ..CreateImageInfo::default()
        };
        let mut progress = Progress::default();
        let mut told = Vec::new();
        told.extend(progress.line(&info("", "Pulling from team/api", None)));
        for current in 0..=100 {
            told.extend(progress.line(&info("a1", "Downloading", Some((current * 1024, 100 * 1024)))));
        }
        told.extend(progress.line(&info("a1", "Pull complete", Some((0, 0)))));
        told.extend(progress.line(&CreateImageInfo::default()));
        assert_eq!(
            told,
            [
                "Pulling from team/api",
                "a1: Downloading, 0 % of 100 KiB",
                "a1: Downloading, 25 % of 100 KiB",
                "a1: Downloading, 50 % of 100 KiB",
                "a1: Downloading, 75 % of 100 KiB",
                "a1: Downloading, 100 % of 100 KiB",
                "a1: Pull complete",
            ]
        );
    }
}
