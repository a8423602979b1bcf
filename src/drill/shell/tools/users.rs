//! Users by their numbers and homes.

/// The number of a user.
pub(in super::super) fn id(user: &str) -> u32 {
    match user {
        "root" => 0,
        "www-data" => 33,
        "postgres" => 110,
        "nobody" => 65_534,
        _ => 1000,
    }
}

/// The home of a user.
pub(in super::super) fn home(user: &str) -> String {
    match user {
        "root" => "/root".to_owned(),
        "postgres" => "/var/lib/postgresql".to_owned(),
        user => format!("/home/{user}"),
    }
}
