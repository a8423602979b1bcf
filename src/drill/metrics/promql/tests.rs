use super::*;

fn labels(text: &[(&str, &str)]) -> Labels {
    text.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// Ten minutes at every 15 seconds: two servers, one of which is down since minute 5; counters of requests; buckets; memory.
fn past() -> Past {
    let mut past = Past::new(3600.0);
    for tick in 0..=40 {
        let at = f64::from(tick) * 15.0;
        for (instance, per_second) in [("a:8080", 10.0), ("b:8080", 20.0)] {
            let up = instance == "a:8080" || at < 300.0;
            past.scrape(
                at,
                &format!("up {instance}"),
                [(labels(&[(NAME, "up"), ("job", "godot"), ("instance", instance)]), f64::from(u8::from(up)))],
            );
            let series = |name: &str, more: &[(&str, &str)], value: f64| {
                let mut all = labels(&[(NAME, name), ("job", "godot"), ("instance", instance)]);
                all.extend(labels(more));
                (all, value)
            };
            let told = vec![
                series("http_requests_total", &[("status", "200")], at * per_second * 0.9),
                series("http_requests_total", &[("status", "500")], at * per_second * 0.1),
                series("took_bucket", &[("le", "0.1")], at * 5.0),
                series("took_bucket", &[("le", "1")], at * 9.0),
                series("took_bucket", &[("le", "+Inf")], at * 10.0),
                series("disk_free", &[], 1000.0 - at),
            ];
            past.scrape(at, instance, if up { told } else { Vec::new() });
        }
    }
    past
}

/// `{a="1"} 5` for each, sorted.
fn answer(text: &str) -> Vec<String> {
    let past = past();
    let query = Query { past: &past, at: 600.0, speed: 1.0 };
    let value = parse(text).and_then(|expr| query.run(&expr));
    let mut lines = match value {
        Err(why) => vec![format!("error: {why}")],
        Ok(Value::Scalar(value)) => vec![format!("{value}")],
        Ok(Value::Vector(samples)) => samples.iter().map(line).collect(),
        Ok(other) => vec![format!("{other:?}")],
    };
    lines.sort();
    lines
}

fn line(sample: &Sample) -> String {
    let all: Vec<String> = sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{} {}", all.join(","), (sample.value * 1000.0).round() / 1000.0)
}

#[test]
fn selectors_find_what_is_there_now() {
    assert_eq!(answer("up{instance=\"a:8080\"}"), ["__name__=up,instance=a:8080,job=godot 1"]);
    assert_eq!(answer("up{job=~\"go.*\", instance!~\"a.*\"}"), ["__name__=up,instance=b:8080,job=godot 0"]);
    // Its target did not answer any more: it has ended, and is not the last value for five minutes.
    assert_eq!(answer("disk_free"), ["__name__=disk_free,instance=a:8080,job=godot 400"]);
    assert_eq!(answer("disk_free offset 6m").len(), 2);
    assert_eq!(answer("{__name__=~\"disk_.*|up\", instance=\"a:8080\"}").len(), 2);
    assert_eq!(answer("nothing"), Vec::<String>::new());
}

#[test]
fn arithmetic_comparisons_and_sets() {
    assert_eq!(answer("1 + 2 * 3 ^ 2"), ["19"]);
    assert_eq!(answer("up == 0"), ["__name__=up,instance=b:8080,job=godot 0"]);
    assert_eq!(answer("up == bool 0"), ["instance=a:8080,job=godot 0", "instance=b:8080,job=godot 1"]);
    assert_eq!(answer("disk_free / 4 - 1"), ["instance=a:8080,job=godot 99"]);
    assert_eq!(answer("up and on(instance) disk_free"), ["__name__=up,instance=a:8080,job=godot 1"]);
    assert_eq!(answer("up unless on(instance) disk_free"), ["__name__=up,instance=b:8080,job=godot 0"]);
    assert_eq!(answer("(count(nothing) or vector(0)) == bool 0"), [" 1"]);
    assert_eq!(answer("-disk_free"), ["instance=a:8080,job=godot -400"]);
    assert!(answer("up * on(job) up")[0].starts_with("error: many-to-many"));
    assert_eq!(answer("http_requests_total / on(instance, job) group_left() disk_free").len(), 2);
}

#[test]
fn rates_and_what_is_made_of_a_while() {
    assert_eq!(
        answer(
            "sum by (instance) (rate(http_requests_total{status=~\"5..\"}[1m])) / sum by (instance) (rate(http_requests_total[1m]))"
        ),
        ["instance=a:8080 0.1"]
    );
    assert_eq!(answer("sum(irate(http_requests_total{instance=\"a:8080\"}[5m]))"), [" 10"]);
    assert_eq!(
        answer("increase(http_requests_total{status=\"200\"}[5m])")[0],
        "instance=a:8080,job=godot,status=200 2700"
    );
    assert_eq!(answer("deriv(disk_free[5m])")[0], "instance=a:8080,job=godot -1");
    assert_eq!(answer("delta(disk_free[5m])")[0], "instance=a:8080,job=godot -300");
    assert_eq!(answer("min_over_time(up[10m])").len(), 2);
    assert_eq!(answer("changes(up{instance=\"b:8080\"}[10m])"), ["instance=b:8080,job=godot 1"]);
    assert_eq!(
        answer("last_over_time(disk_free{instance=\"b:8080\"}[10m])"),
        ["__name__=disk_free,instance=b:8080,job=godot 715"]
    );
    assert_eq!(answer("max_over_time((up)[5m:15s])").len(), 2);
    assert_eq!(answer("timestamp(up{instance=\"a:8080\"})"), ["instance=a:8080,job=godot 600"]);
}

#[test]
fn quantiles_and_aggregations() {
    // 5 of 10 take up to 0.1, 9 up to 1, so that the median is 0.1, and nine tenths 1; above that nothing is known but the largest bound.
    let quantile = |share: &str| answer(&format!("histogram_quantile({share}, sum by (le) (rate(took_bucket[5m])))"));
    assert_eq!(
        [quantile("0.5"), quantile("0.7"), quantile("0.9"), quantile("0.99")],
        [[" 0.1"], [" 0.55"], [" 1"], [" 1"]]
    );
    assert_eq!(answer("avg(up)"), [" 0.5"]);
    assert_eq!([answer("min(up)"), answer("max(up)"), answer("count(up)")], [[" 0"], [" 1"], [" 2"]]);
    assert_eq!(answer("sum without(instance) (up)"), ["job=godot 1"]);
    assert_eq!(answer("topk(1, up)"), ["__name__=up,instance=a:8080,job=godot 1"]);
    assert_eq!(answer("absent(up{job=\"nobody\"})"), ["job=nobody 1"]);
    assert_eq!(answer("absent(up)"), Vec::<String>::new());
    assert_eq!(
        answer("label_replace(up{instance=\"a:8080\"}, \"host\", \"$1\", \"instance\", \"(.*):.*\")"),
        ["__name__=up,host=a,instance=a:8080,job=godot 1"]
    );
}

#[test]
fn what_is_not_known_is_refused() {
    assert!(answer("sum(up")[0].starts_with("error: "));
    assert!(answer("quantile_over_time(0.5, up[5m])")[0].contains("does not know the function quantile_over_time"));
    assert!(answer("up @ 5")[0].contains("knows no @"));
    assert!(answer("stdvar(up)")[0].contains("does not know the aggregation stdvar"));
}

#[test]
fn a_range_has_a_point_for_each_moment_that_has_a_value() {
    let past = past();
    let query = Query { past: &past, at: 600.0, speed: 1.0 };
    let expr = parse("up{instance=\"b:8080\"} == 1").unwrap();
    let runs = query.over(&expr, (0..=4).map(|step| f64::from(step) * 150.0)).unwrap();
    assert_eq!(runs[0].points, [(0.0, 1.0), (150.0, 1.0)]);
}

#[test]
fn at_a_higher_speed_windows_are_shorter_on_the_wire_and_rates_are_those_of_the_world() {
    let mut past = Past::new(600.0);
    for tick in 0..=60 {
        // Ten seconds of the world to one on the wire; five a second of the world.
        let at = f64::from(tick);
        past.scrape(at, "a", [(labels(&[(NAME, "c")]), at * 10.0 * 5.0)]);
    }
    let query = Query { past: &past, at: 60.0, speed: 10.0 };
    let value = |text: &str| match query.run(&parse(text).unwrap()).unwrap() {
        Value::Vector(samples) => samples[0].value,
        other => panic!("{other:?}"),
    };
    let told = ["rate(c[5m])", "increase(c[5m])", "count_over_time(c[5m])"].map(|text| value(text).to_string());
    assert_eq!(told, ["5", "1500", "30"]);
}
