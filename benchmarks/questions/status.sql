SELECT district, status, count(DISTINCT code_ref) AS people
FROM scans
WHERE local_date = DATE '{day}' AND direction = 'entry' AND verdict = 'admit' AND code_ref IS NOT NULL
GROUP BY district, status
ORDER BY district, status
