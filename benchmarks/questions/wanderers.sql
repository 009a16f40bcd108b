SELECT code_ref, count(DISTINCT checkpoint) AS gates
FROM scans
WHERE local_date = DATE '{day}' AND code_ref IS NOT NULL
GROUP BY code_ref
HAVING count(DISTINCT checkpoint) > 3
ORDER BY gates DESC, code_ref
LIMIT 100
