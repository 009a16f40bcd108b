SELECT checkpoint, reason, count(*) AS refusals
FROM (SELECT checkpoint, unnest(reasons) AS reason FROM scans WHERE local_date = DATE '{day}' AND verdict = 'refuse') AS refused
GROUP BY checkpoint, reason
ORDER BY refusals DESC, checkpoint, reason
LIMIT 100
