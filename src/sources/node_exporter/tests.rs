use super::*;

fn moment(mono: u64) -> Now {
    let wall = jiff::Timestamp::from_second(1_795_621_600 + i64::try_from(mono).unwrap()).unwrap();
    Now { mono: Duration::from_secs(mono), wall }
}

#[test]
fn the_clock_is_compared_at_the_middle_of_the_round_trip() {
    let reading = parse::reading("node_time_seconds 1795621611\nnode_boot_time_seconds 1795621511\n").unwrap();
    let server = Past::default().server("game-1", "10.0.1.4", reading, (moment(8), moment(10)));
    assert_eq!(server.clock_skew, Some(2.0));
    assert_eq!(server.uptime, Some(Duration::from_secs(100)));
    assert_eq!((server.cpu, server.memory, server.network), (None, None, None));
    assert_eq!(server.addresses, ["10.0.1.4"]);
}

#[test]
fn only_the_collectors_that_are_needed_are_asked_for() {
    let url = chosen(Url::parse("http://h:9100/metrics").unwrap());
    assert!(url.as_str().starts_with("http://h:9100/metrics?collect%5B%5D=cpu&"), "{url}");
}

#[test]
fn what_could_not_be_collected_is_noted() {
    let failed = "node_scrape_collector_success{collector=\"filesystem\"} 0\n";
    let told = notes(&parse::reading(failed).unwrap());
    assert_eq!(told, ["its node_exporter could not collect filesystem: its log says why"]);
}
