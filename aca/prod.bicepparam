// A fleet that people rely on: at least two of everything.
using './main.bicep'

param name = 'prynai'
param registryName = readEnvironmentVariable('REGISTRY_NAME')
param image = readEnvironmentVariable('IMAGE')
param apiClientId = readEnvironmentVariable('API_CLIENT_ID')
param envelopeKey = readEnvironmentVariable('ENVELOPE_KEY', '')

param redisSku = 'Balanced_B5'
param redisHighAvailability = true

param gatewayMinReplicas = 2
param gatewayMaxReplicas = 20
param workerMinReplicas = 2
param workerMaxReplicas = 50

param drainSeconds = 300
param logRetentionDays = 90
