//! awk, against the one that is there (mawk or gawk).

use super::same;

#[test]
fn awk() {
    same(&[
        "printf 'a 1\\nb 2\\nc 3\\n' | awk '{ print $2, $1 }'",
        "printf 'a 1\\nb 2\\n' | awk '{ s += $2 } END { print s, NR }'",
        "echo 'a:b:c' | awk -F: '{ print $2; print NF }'",
        "printf 'h\\n/dev 100 40 60 41%% /opt\\n' | awk 'NR == 2 { print $5 + 0 }'",
        "printf 'MemTotal: 16384000 kB\\nX: 1\\n' | awk '$1 == \"MemTotal:\" { print int($2 / 1024) }'",
        "printf 'x\\nyy\\nzzz\\n' | awk 'length > 1'",
        "printf 'x\\nyy\\nzzz\\n' | awk '/y/, /z/ { print NR \": \" $0 }'",
        "printf '1\\n2\\n3\\n' | awk 'BEGIN { print \"top\" } $1 > 1 && $1 != 3 { print } END { print \"end\" }'",
        "echo 'server 10.0.0.1:80;' | awk -v place=10.0.0.1:80 '{ word = $2; sub(/;.*/, \"\", word) } word == place { print \"mine\" }'",
        "printf 'upstream game {\\n  server a:1;\\n  server b:1;\\n}\\nupstream other {\\n  server a:1;\\n}\\n' > c; awk -v block=game -v place=a:1 '\n $1 == \"upstream\" { inside = ($2 == block || $2 == block \"{\") }\n inside && $1 == \"server\" { sub(/;.*/, \"\", $2); all++; mine += ($2 == place) }\n /^[ \\t]*}/ { inside = 0 }\n END { print mine + 0, all + 0; exit mine != 1 }' c; echo $?",
        "printf 'upstream game {\\n  server a:1;\\n}\\n' > c; awk -v block=game -v place=a:1 '\n $1 == \"upstream\" { inside = ($2 == block || $2 == block \"{\") }\n { word = $2; sub(/;.*/, \"\", word) }\n inside && $1 == \"server\" && word == place { sub(/server/, \"# drained: server\") }\n /^[ \\t]*}/ { inside = 0 }\n { print }' c > n; cat n; awk -v line='# drained: server a:1' '{ at = index($0, line); behind = substr($0, at + length(line), 1) }\n at && (behind == \";\" || behind == \" \") { sub(/# drained: /, \"\") }\n { print }' n",
        "printf 'upstream game {\\n}\\n' | awk -v place=b:2 '$1 == \"upstream\" { inside = 1 } inside && /^[ \\t]*}/ { if (!there) print \"  server \" place \";\"; inside = 0 }\n { print }'",
        "printf 'http_requests_total{a=\"b\"} 10\\nhttp_requests_total 5\\nother 1\\n' > m; count='/^http_requests_total/ { sum += $NF } END { printf \"%d\", sum }'; awk \"$count\" < m; awk \"$count\" <<< ''",
        "printf 'app\\n [X] 0001\\n [X] 0002\\n [ ] 0003\\nother\\n [ ] 0001\\n' | awk '/^[^ ]/ { app = $1; last[app] = \"zero\" } $1 == \"[X]\" { last[app] = $2 } END { for (app in last) print app, last[app] }' | sort",
        "printf 'users.0003_x\\n  op\\n' | awk '/^[a-z_]+\\.[0-9]/ { printf \" %s\", $1 }'; echo; awk '$1 == \"[X]\" { last = $2 } END { print last }' <<< ' [X] 0001'",
        "awk 'BEGIN { x[\"a\"] = 1; x[\"b\"] = 2; delete x[\"a\"]; for (k in x) print k, x[k]; print (\"a\" in x), (\"b\" in x); n = split(\"a,b,c\", p, \",\"); print n, p[1], p[3]; print length(\"hello\"), substr(\"hello\", 2, 3), index(\"hello\", \"ll\"), toupper(\"abc\") }'",
        "awk 'BEGIN { printf \"%5.2f|%-5s|%05d|%x|%c|%s|%%\\n\", 3.14159, \"ab\", 42, 255, \"A\", 1e6; print 1/3, 100000000, 0.1 + 0.2, 1e20 > 0, -7 % 3, 2 ^ 10, 2 ** 3 }'",
        "awk 'BEGIN { s = \"aaa\"; n = gsub(/a/, \"b&\", s); print n, s; if (match(\"foobar\", /o+/)) print RSTART, RLENGTH; print \"a\" < \"b\", 10 < 9, \"10\" < \"9\"; print 1 \" \" 2, 1 + 1 \"x\"; x = y = 3; print x y; print !0, !1, -3, +\"4a\" }'",
        "awk 'function f(n) { return n <= 1 ? 1 : n * f(n - 1) } BEGIN { print f(5); i = 0; while (i < 3) { i++; if (i == 2) continue; print i }; do { i-- } while (i > 0); print i; for (j = 0; j < 5; j++) { if (j == 2) break }; print j; exit 3 }'; echo $?",
        "printf 'a b c\\n' | awk '{ $2 = \"X\"; print; print NF; $5 = \"e\"; print; NF = 2; print }' OFS=-",
        "printf 'k=v\\nx=y\\n' | awk -F= '$1 == \"x\" { print $2; next } { print \"other\" }'",
        "printf '1 2\\n3 4\\n' | awk '{ for (i = 1; i <= NF; i++) t += $i } END { print t }'",
        "echo 'a  b' | awk -F'[ ]' '{ print NF }'; echo 'aXXb' | awk -FXX '{ print $2 }'; echo 'a|b' | awk -F'|' '{ print $2 }'; printf 'a\\tb c\\n' | awk -F'\\t' '{ print $2 }'",
        "awk 'BEGIN { print length() ; print substr(\"hello\", 0), substr(\"hello\", 4, 100) }' < /dev/null",
        "printf 'x 1\\n' | awk '{ print > \"out\" } END { close(\"out\") }'; cat out; awk 'BEGIN { print \"e\" > \"/dev/stderr\" }' 2> err; cat err",
        "E=v awk 'BEGIN { print ENVIRON[\"E\"] }'; awk 'BEGIN{print 1;;print 2}'; awk '\n# comment\nBEGIN { # more\n  print \"a\" \\\n    \"b\" }\n'",
        "printf 'a\\n\\nb\\n' | awk 'NF'; printf 'a\\nb\\n' | awk 'END { print $0, NR }'; printf 'p\\nq\\n' | awk 'NR==1{next}1'",
        "printf 'a 5\\nb 10\\n' | awk '$2 > m { m = $2; k = $1 } END { print k }'; awk 'BEGIN { a[1,2] = 3; for (k in a) { split(k, p, SUBSEP); print p[1], p[2] }; if ((1,2) in a) print \"in\" }'",
        "echo test | awk '/te[st]/ && !/x/ { print \"ok\" } $0 ~ \"^t\" { print \"t\" } $1 !~ /z/ { print \"z\" }'",
        "awk 'BEGIN { print substr(\"x\", 2) \"|\"; print -1 \" \" -1; print 010 + 0, \" 12 \" + 1; print 1==1.0, \"a\"==\"a\"; print length(12345) }'",
    ]);
}
